package dev.causal4j.training;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.ChatTemplate.Rendered;
import dev.causal4j.chat.ChatTemplate.Span;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.json.Unicode;
import dev.causal4j.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;

/**
 * A conversation as a model reads it.
 *
 * @param targets the tokens that the assistant wrote: the text of a template's generation blocks. Without such blocks
 *     it is the text that an assistant's message adds to the rendered messages before it and the generation prompt
 */
record Conversation(int[] tokens, BitSet targets) {
    /** Most characters that are rendered to find the answers: they grow with the square of the messages. */
    private static final long MOST_RENDERED = 50_000_000;

    static Conversation of(
            ChatTemplate template, Tokenizer tokenizer, List<Message> messages, List<ToolDefinition> tools) {
        ChatTemplate known = template.withControlTokens(tokenizer.controlTokens());
        Rendered whole = known.render(messages, tools, false, Map.of());
        List<Span> answers = template.marksGeneration()
                ? whole.generated()
                : answers(known, tokenizer.controlTokens(), whole.text(), messages, tools);
        if (answers.isEmpty()) {
            throw new IllegalArgumentException("messages: expected one of the assistant, got none; drop the line");
        }
        String text = Unicode.wellFormed(whole.text()); // as the tokenizer counts its bytes
        BitSet bytes = new BitSet();
        BitSet written = new BitSet();
        answers.forEach(span -> written.set(span.from(), span.to()));
        int chars = 0;
        int at = 0; // the bytes of these
        for (int from = written.nextSetBit(0), to; from >= 0; from = written.nextSetBit(to)) {
            to = written.nextClearBit(from);
            int start = at + bytes(text, chars, from);
            at = start + bytes(text, from, to);
            bytes.set(start, at);
            chars = to;
        }
        Tokenizer.Encoding encoding = tokenizer.encodeWithOffsets(text, whole.trusted());
        BitSet targets = new BitSet();
        for (int i = 0; i < encoding.tokens().length; i++) {
            int next = bytes.nextSetBit(encoding.starts()[i]);
            targets.set(i, next >= 0 && next < encoding.ends()[i]);
        }
        return new Conversation(encoding.tokens(), targets);
    }

    private static int bytes(String text, int from, int to) {
        return text.substring(from, to).getBytes(StandardCharsets.UTF_8).length;
    }

    private static List<Span> answers(
            ChatTemplate template,
            List<String> controlTokens,
            String whole,
            List<Message> messages,
            List<ToolDefinition> tools) {
        List<Span> answers = new ArrayList<>();
        long rendered = 0;
        for (int i = 0; i < messages.size(); i++) {
            if ("assistant".equals(messages.get(i).fields().get("role"))) {
                String before = template.render(messages.subList(0, i), tools, true, Map.of())
                        .text();
                String with = template.render(messages.subList(0, i + 1), tools, false, Map.of())
                        .text();
                rendered += before.length() + with.length();
                if (rendered > MOST_RENDERED) {
                    throw new IllegalArgumentException("messages: expected at most " + MOST_RENDERED + " characters in"
                            + " all beginnings of the conversation, got more; put what the assistant writes into"
                            + " generation blocks of the template");
                }
                if (!with.startsWith(before) || !whole.startsWith(with)) {
                    throw new IllegalArgumentException("chat template: expected one that writes messages alike whatever"
                            + " follows them, got another text up to message " + (i + 1)
                            + "; put what the assistant writes into generation blocks");
                }
                // A line end after the token that ends a turn is the template's.
                String turn = with.stripTrailing();
                boolean ends = controlTokens.stream().anyMatch(turn::endsWith);
                int to = ends ? Math.max(before.length(), turn.length()) : with.length();
                answers.add(new Span(before.length(), to));
            }
        }
        return answers;
    }
}
