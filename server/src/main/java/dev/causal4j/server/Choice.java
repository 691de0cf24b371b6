package dev.causal4j.server;

import dev.causal4j.generation.FinishReason;
import dev.causal4j.generation.GeneratedToken;
import dev.causal4j.generation.Generation;
import dev.causal4j.head.Prediction;
import dev.causal4j.tokenizer.StreamingDecoder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/**
 * The text of a sequence as it comes, with its tokens: a token is told with the end of its text, one that a stop text
 * cuts with what is left, and one behind it never. Not thread-safe.
 */
final class Choice {
    /**
     * A token.
     *
     * @param offset code points before it
     * @param end code points up to its end, those of a character that it does not complete left out
     * @param kept code points of it that are in the text; {@link #ALL}, or those before a stop text
     * @param prediction its log-probability, if there is one
     * @param ends whether it ends the sequence and is no part of its text
     */
    record Entry(int token, int offset, int end, int kept, Optional<Prediction> prediction, boolean ends) {
        static final int ALL = Integer.MAX_VALUE;

        /** A whole token. */
        Entry(int token, int offset, int end, Optional<Prediction> prediction, boolean ends) {
            this(token, offset, end, ALL, prediction, ends);
        }

        private Entry upTo(int cut) {
            return new Entry(token, offset, end, end > cut ? cut - offset : ALL, prediction, ends);
        }
    }

    /**
     * What can be told now.
     *
     * @param tokens that begin in the text
     * @param ids of all tokens since the piece before
     */
    record Piece(String text, List<Entry> tokens, List<Integer> ids) {
        boolean isEmpty() {
            return text.isEmpty() && tokens.isEmpty();
        }
    }

    private final StreamingDecoder decoder;
    private final Set<Integer> eos;
    private final List<Entry> held = new ArrayList<>();
    private final List<Integer> ids = new ArrayList<>();
    private int begun; // code points before the next token
    private int told; // code points

    /**
     * @param decoder of the text
     * @param offset code points before it
     */
    Choice(StreamingDecoder decoder, Set<Integer> eos, int offset) {
        this.decoder = decoder;
        this.eos = eos;
        this.begun = offset;
        this.told = offset;
    }

    /** The whole text of a sequence. */
    static Piece whole(Choice choice, Generation generation) {
        StringBuilder text = new StringBuilder();
        List<Entry> tokens = new ArrayList<>();
        List<Integer> ids = new ArrayList<>();
        for (int i = 0; i <= generation.tokens().length; i++) {
            Piece piece = i == generation.tokens().length
                    ? choice.finish(generation.finishReason())
                    : choice.accept(new GeneratedToken(
                            0,
                            generation.tokens()[i],
                            generation.pieces().get(i),
                            i < generation.predictions().size()
                                    ? Optional.of(generation.predictions().get(i))
                                    : Optional.empty()));
            text.append(piece.text);
            tokens.addAll(piece.tokens);
            ids.addAll(piece.ids);
        }
        return new Piece(text.toString(), tokens, ids);
    }

    /** Takes a token and tells what can be told. */
    Piece accept(GeneratedToken token) {
        boolean ends = eos.contains(token.token());
        int end = begun + (ends ? 0 : length(decoder.accept(token.token())));
        held.add(new Entry(token.token(), begun, end, token.prediction(), ends));
        ids.add(token.token());
        begun = end;
        told += length(token.text());
        return piece(token.text(), entry -> entry.offset < told && entry.end <= told);
    }

    /** Tells the rest. */
    Piece finish(FinishReason reason) {
        if (reason == FinishReason.STOP) {
            held.replaceAll(entry -> entry.upTo(told));
            return piece("", entry -> entry.offset < told);
        }
        return piece("", _ -> true);
    }

    private Piece piece(String text, Predicate<Entry> tellable) {
        List<Entry> tokens = held.stream().takeWhile(tellable).toList();
        held.subList(0, tokens.size()).clear();
        Piece piece = new Piece(text, tokens, List.copyOf(ids));
        if (!piece.isEmpty()) {
            ids.clear();
        }
        return piece;
    }

    static int length(String text) {
        return text.codePointCount(0, text.length());
    }
}
