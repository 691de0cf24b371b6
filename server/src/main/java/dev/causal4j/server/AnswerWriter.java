package dev.causal4j.server;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.AnswerParser;
import dev.causal4j.generation.Generation;
import dev.causal4j.server.Choice.Fragment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** Takes the answer of a chat apart while it is written: text, thoughts and calls of tools. Not thread-safe. */
abstract class AnswerWriter extends ChoiceWriter implements Answer.Listener {
    final List<Fragment> since = new ArrayList<>(); // the last part
    private final AnswerParser parser; // calls this for parts that are written
    private int thoughts;

    /**
     * @param listens whether parts are written
     * @param reading begins to take the answer apart
     */
    AnswerWriter(TextRequest ask, boolean listens, Function<Answer.Listener, AnswerParser> reading) {
        super(ask);
        parser = reading.apply(listens ? this : Answer.Listener.NONE);
    }

    @Override
    void part(Fragment fragment) {
        since.add(fragment);
        read(fragment);
    }

    void read(Fragment fragment) {
        boolean thinks = parser.isThinking();
        parser.accept(fragment.text());
        thoughts += thinks || parser.isThinking() ? fragment.ids().size() : 0;
    }

    /** Ends the answer. */
    Answer end(Generation made) {
        return parser.end(Choices.label(made.finishReason()));
    }

    @Override
    int thoughts() {
        return thoughts;
    }
}
