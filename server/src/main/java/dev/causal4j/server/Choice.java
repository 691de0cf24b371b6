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
import java.util.stream.Collectors;

/**
 * Splits the tokens of a sequence into fragments of a response. A fragment has the tokens whose text is complete in it.
 * A stop text cuts its first token and drops those after it. Not thread-safe.
 */
final class Choice {
    /**
     * A token.
     *
     * @param offset code points before it
     * @param end code points up to its end, without a character that it begins and does not complete
     * @param kept code points of it that stay in the text: {@link #ALL}, or those before a stop text
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
     * The part of a choice that is final.
     *
     * @param tokens the tokens that begin in the text
     * @param ids the ids of all tokens since the last fragment that is not empty; of an empty one none
     */
    record Fragment(String text, List<Entry> tokens, List<Integer> ids) {
        static final Fragment EMPTY = new Fragment("", List.of(), List.of());

        boolean isEmpty() {
            return text.isEmpty() && tokens.isEmpty();
        }

        /** Pieces that follow each other, as one. */
        static Fragment of(List<Fragment> fragments) {
            return new Fragment(
                    fragments.stream().map(Fragment::text).collect(Collectors.joining()),
                    fragments.stream().flatMap(each -> each.tokens.stream()).toList(),
                    fragments.stream().flatMap(each -> each.ids.stream()).toList());
        }
    }

    private final StreamingDecoder decoder;
    private final Set<Integer> eos;
    private final List<Entry> held = new ArrayList<>();
    private final List<Integer> ids = new ArrayList<>();
    private int begun; // code points up to the end of the last token
    private int told; // code points of the fragments so far

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

    /** The fragments of a whole sequence: one for each token, and the last. */
    static List<Fragment> fragments(Choice choice, Generation generation) {
        List<Fragment> fragments = new ArrayList<>();
        for (int i = 0; i < generation.tokens().length; i++) {
            fragments.add(choice.accept(new GeneratedToken(
                    0,
                    generation.tokens()[i],
                    generation.pieces().get(i),
                    i < generation.predictions().size()
                            ? Optional.of(generation.predictions().get(i))
                            : Optional.empty(),
                    0)));
        }
        fragments.add(choice.finish(generation.finishReason()));
        return fragments;
    }

    /** Takes a token and returns the fragment that is final with it, which may be empty. */
    Fragment accept(GeneratedToken token) {
        boolean ends = eos.contains(token.token());
        int end = begun + (ends ? 0 : length(decoder.accept(token.token())));
        held.add(new Entry(token.token(), begun, end, token.prediction(), ends));
        ids.add(token.token());
        begun = end;
        told += length(token.text());
        return fragment(token.text(), entry -> entry.offset < told && entry.end <= told, false);
    }

    /** The last fragment. */
    Fragment finish(FinishReason reason) {
        if (reason == FinishReason.STOP) {
            held.replaceAll(entry -> entry.upTo(told));
            return fragment("", entry -> entry.offset < told, true);
        }
        return fragment("", _ -> true, true);
    }

    private Fragment fragment(String text, Predicate<Entry> tellable, boolean last) {
        List<Entry> tokens = held.stream().takeWhile(tellable).toList();
        held.subList(0, tokens.size()).clear();
        boolean waits = text.isEmpty() && tokens.isEmpty() && !last;
        Fragment fragment = new Fragment(text, tokens, waits ? List.of() : List.copyOf(ids));
        ids.subList(0, fragment.ids.size()).clear();
        return fragment;
    }

    static int length(String text) {
        return text.codePointCount(0, text.length());
    }
}
