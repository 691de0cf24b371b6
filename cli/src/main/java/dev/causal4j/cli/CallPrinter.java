package dev.causal4j.cli;

import dev.causal4j.chat.Answer;
import java.util.function.BiConsumer;

/** Prints answers that may have calls: thoughts, text, and a line for each call. Not thread-safe. */
final class CallPrinter implements Answer.Listener {
    private final BiConsumer<String, Boolean> to;
    private boolean begun;

    /** @param to prints a text, dimmed or not */
    CallPrinter(BiConsumer<String, Boolean> to) {
        this.to = to;
    }

    private void print(String text, boolean dimmed) {
        begun = true;
        to.accept(text, dimmed);
    }

    @Override
    public void content(String piece) {
        print(piece, false);
    }

    @Override
    public void reasoning(String piece) {
        print(piece, true);
    }

    @Override
    public void call(int index, String id, String name) {
        print((begun ? "\n" : "") + name + " ", false);
    }

    @Override
    public void arguments(int index, String piece) {
        print(piece, false);
    }
}
