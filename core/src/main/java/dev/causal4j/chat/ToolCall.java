package dev.causal4j.chat;

/**
 * A call of a tool in a model's answer.
 *
 * @param id names the call, so that a result can name it too: the model's own if it writes one
 * @param name of the tool
 * @param arguments a JSON object as the model wrote it, or a part of one if the answer was cut
 */
public record ToolCall(String id, String name, String arguments) {}
