package dev.causal4j.generation;

import java.util.Locale;

/** Why a sequence ended. */
public enum FinishReason {
    /** It reached the most new tokens, or the context is full. */
    LENGTH,
    /** Its text reached a stop string, or meets its constraint and nothing can follow. */
    STOP,
    /** The model ended it with an end-of-sequence token. */
    EOS,
    /** Its {@link GenerationOptions#deadline} passed. */
    DEADLINE,
    /** The listener cancelled it. */
    CANCELLED;

    /** Its name in JSON. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Its name for {@link dev.causal4j.chat.AnswerParser#end}: {@code EOS} ends a turn, so it is {@code stop}, too. */
    public String ofTurn() {
        return this == EOS ? STOP.label() : label();
    }
}
