package dev.causal4j.cli;

import dev.causal4j.chat.Message;
import dev.causal4j.format.WholeFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The messages of a conversation. Not thread-safe. */
final class Conversation {
    private final List<Message> messages = new ArrayList<>();
    private final Set<Path> own = new HashSet<>(); // files that may be replaced

    List<Message> messages() {
        return List.copyOf(messages);
    }

    void addAll(List<Message> more) {
        messages.addAll(more);
    }

    void add(String role, String text) {
        messages.add(new Message(role, text));
    }

    /** Replaces the first message if it is the system's; an empty text removes it. */
    void system(String text) {
        if (!messages.isEmpty() && role(0).equals("system")) {
            messages.removeFirst();
        }
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
        int last = messages.size() - 1;
        while (last >= 0 && !role(last).equals("user")) {
            last--;
        }
        if (last < 0) {
            throw new IllegalArgumentException("conversation: expected a message of yours, got none; write one first");
        }
        List<Message> after = messages.subList(last + 1, messages.size());
        List<Message> removed = List.copyOf(after);
        after.clear();
        return removed;
    }

    private String role(int message) {
        return String.valueOf(messages.get(message).fields().get("role"));
    }

    /** Writes a JSON list. A file that exists is only replaced if this conversation is from it. */
    void save(Path file) throws IOException {
        if (Files.exists(file) && !own.contains(file)) {
            throw new IOException(file + ": expected a new file, got one that exists; name another");
        }
        String json =
                Json.write(Json.node(messages.stream().map(Message::fields).toList()));
        WholeFile.write(file, (json + "\n").getBytes(StandardCharsets.UTF_8));
        own.add(file);
    }

    /** Goes on with the conversation in a file; this one stays if it cannot be read. */
    void load(Path file) throws IOException {
        List<Map<String, Object>> loaded = Json.list(file).toList();
        for (Map<String, Object> message : loaded) {
            if (!(message.get("role") instanceof String)) {
                throw new IOException(file + ": expected messages with a role, got one without");
            }
        }
        messages.clear();
        loaded.forEach(message -> messages.add(new Message(message)));
        own.add(file);
    }
}
