package dev.causal4j.server;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.AnswerParser;
import dev.causal4j.generation.Generation;
import dev.causal4j.server.Choice.Fragment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Takes the answer of a chat apart while it is written: text, thoughts and calls of tools. Not thread-safe. */
abstract class AnswerWriter implements ChoiceWriter, Answer.Listener {
    final TextRequest ask;
    final List<Map<String, Object>> parts = new ArrayList<>(); // to be told
    final List<Fragment> since = new ArrayList<>(); // the last part
    private final AnswerParser parser; // calls this for parts that are written
    private int thoughts;

    /**
     * @param listens whether parts are written
     * @param reading begins to take the answer apart
     */
    AnswerWriter(TextRequest ask, boolean listens, Function<Answer.Listener, AnswerParser> reading) {
        this.ask = ask;
        parser = reading.apply(listens ? this : Answer.Listener.NONE);
    }

    @Override
    public List<Map<String, Object>> part(Fragment fragment) {
        since.add(fragment);
        read(fragment);
        return told();
    }

    void read(Fragment fragment) {
        boolean thinks = parser.isThinking();
        parser.accept(fragment.text());
        thoughts += thinks || parser.isThinking() ? fragment.ids().size() : 0;
    }

    List<Map<String, Object>> told() {
        List<Map<String, Object>> told = List.copyOf(parts);
        parts.clear();
        return told;
    }

    /** Ends the answer. */
    Answer end(Generation made) {
        return parser.end(Choices.label(made.finishReason()));
    }

    @Override
    public int thoughts() {
        return thoughts;
    }
}
