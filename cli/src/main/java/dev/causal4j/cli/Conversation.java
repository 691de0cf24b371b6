package dev.causal4j.cli;

import dev.causal4j.chat.Message;
import dev.causal4j.format.Json;
import dev.causal4j.format.WholeFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** The messages of a conversation. Not thread-safe. */
final class Conversation {
    private final List<Message> messages = new ArrayList<>();

    List<Message> messages() {
        return List.copyOf(messages);
    }

    /** Messages of the user; each begins a turn. */
    int turns() {
        return starts().length;
    }

    /** The messages without so many of the oldest turns; the system's message stays. */
    List<Message> without(int oldest) {
        List<Message> kept = new ArrayList<>(messages);
        if (oldest > 0) {
            kept.subList(system(), starts()[oldest]).clear();
        }
        return kept;
    }

    /** Removes all messages but the system's. */
    void clear() {
        messages.subList(system(), messages.size()).clear();
    }

    void addAll(List<Message> more) {
        messages.addAll(more);
    }

    void add(String role, String text) {
        messages.add(new Message(role, text));
    }

    /** Replaces the first message if it is the system's; an empty text removes it. */
    void system(String text) {
        messages.subList(0, system()).clear();
        if (!text.isEmpty()) {
            messages.addFirst(new Message("system", text));
        }
    }

    /** Removes the last message of the user and all after it. */
    void undo() {
        removeAnswer();
        messages.removeLast();
    }

    /** Removes what comes after the last message of the user, and returns it. */
    List<Message> removeAnswer() {
        int[] starts = starts();
        if (starts.length == 0) {
            throw new IllegalArgumentException("conversation: expected a message of yours, got none; write one first");
        }
        List<Message> after = messages.subList(starts[starts.length - 1] + 1, messages.size());
        List<Message> removed = List.copyOf(after);
        after.clear();
        return removed;
    }

    /** How many of the first messages are the system's. */
    private int system() {
        return !messages.isEmpty() && List.of("system", "developer").contains(role(0)) ? 1 : 0;
    }

    private int[] starts() {
        return IntStream.range(0, messages.size())
                .filter(message -> role(message).equals("user"))
                .toArray();
    }

    private String role(int message) {
        return String.valueOf(messages.get(message).fields().get("role"));
    }

    /** Writes a JSON list. */
    void save(Path file, boolean overwrite) throws IOException {
        if (!overwrite && Files.exists(file)) {
            throw new IOException(file + ": expected a new file, got one that exists; /save! FILE overwrites it");
        }
        byte[] json = Json.write(messages.stream().map(Message::fields).toList());
        WholeFile.write(file, (new String(json, StandardCharsets.UTF_8) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    /** Goes on with the conversation in a file; this one stays if it cannot be read. */
    void load(Path file) throws IOException {
        List<Map<String, Object>> loaded = Document.list(file);
        for (Map<String, Object> message : loaded) {
            if (!(message.get("role") instanceof String)) {
                throw new IOException(file + ": expected messages with a role, got one without");
            }
        }
        messages.clear();
        loaded.forEach(message -> messages.add(new Message(message)));
    }
}
