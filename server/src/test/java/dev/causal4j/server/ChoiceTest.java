package dev.causal4j.server;

import static dev.causal4j.server.Unserved.TOKENIZER;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.generation.FinishReason;
import dev.causal4j.generation.GeneratedToken;
import dev.causal4j.generation.Generation;
import dev.causal4j.server.Choice.Entry;
import dev.causal4j.server.Choice.Fragment;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.StreamingDecoder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ChoiceTest {
    private static final int EOS = 3071;

    private static Choice choice(int offset) {
        return new Choice(TOKENIZER.decoder(), Set.of(EOS), offset);
    }

    private static int[] tokens(String text) {
        return TOKENIZER.encode(text, SpecialTokens.AS_TEXT);
    }

    private static GeneratedToken token(int id, String text) {
        return new GeneratedToken(0, id, text, Optional.empty(), 0);
    }

    private static List<Integer> ids(int... ids) {
        return Arrays.stream(ids).boxed().toList();
    }

    /** The fragments of a text whose tokens come one by one. */
    private static List<Fragment> fragments(Choice choice, String text) {
        StreamingDecoder decoder = TOKENIZER.decoder();
        List<Fragment> fragments = new ArrayList<>();
        for (int id : tokens(text)) {
            fragments.add(choice.accept(token(id, decoder.accept(id))));
        }
        return fragments;
    }

    @Test
    void aTokenIsToldWithTheEndOfItsText() {
        int[] ids = tokens("😀");
        assertThat(ids).hasSizeGreaterThan(1);

        List<Fragment> fragments = fragments(choice(5), "😀");

        assertThat(fragments.subList(0, ids.length - 1)).allMatch(Fragment::isEmpty);
        Fragment last = fragments.getLast();
        assertThat(last.text()).isEqualTo("😀");
        assertThat(last.tokens()).extracting(Entry::token).containsExactlyElementsOf(ids(ids));
        assertThat(last.tokens()).extracting(Entry::offset).containsOnly(5);
        assertThat(last.tokens().getLast().end()).isEqualTo(6);
        assertThat(last.ids()).as("of the silent tokens, too").isEqualTo(ids(ids));
    }

    @Test
    void offsetsCountCodePointsFromTheBeginningOfTheChoice() {
        List<Entry> entries = fragments(choice(3), "Emma was é").stream()
                .flatMap(fragment -> fragment.tokens().stream())
                .toList();
        assertThat(entries.getFirst().offset()).isEqualTo(3);
        for (int i = 1; i < entries.size(); i++) {
            assertThat(entries.get(i).offset()).isEqualTo(entries.get(i - 1).end());
        }
        assertThat(entries.getLast().end()).isEqualTo(3 + "Emma was é".length());
    }

    @Test
    void aStopTextCutsATokenAndDropsThoseBehindIt() {
        int[] ids = tokens("Emma was not");
        Choice choice = choice(0);
        Fragment first = choice.accept(token(ids[0], "Emma"));
        Fragment held = choice.accept(token(ids[1], " w")); // "as" is a stop text
        assertThat(choice.accept(token(ids[2], "")).isEmpty()).isTrue();

        Fragment rest = choice.finish(FinishReason.STOP);

        assertThat(first.tokens()).extracting(Entry::kept).containsExactly(Entry.ALL);
        assertThat(held.text()).isEqualTo(" w");
        assertThat(held.tokens()).as("until it is known what is left of it").isEmpty();
        assertThat(rest.tokens()).extracting(Entry::token).containsExactly(ids[1]);
        assertThat(rest.tokens()).extracting(Entry::kept).containsExactly(2);
    }

    @Test
    void aTokenThatEndsTheSequenceHasNoText() {
        Choice choice = choice(0);
        choice.accept(token(tokens("Emma")[0], "Emma"));
        Fragment end = choice.accept(token(EOS, ""));
        List<Entry> told = new ArrayList<>(end.tokens());
        told.addAll(choice.finish(FinishReason.EOS).tokens());
        assertThat(told).containsExactly(new Entry(EOS, 4, 4, Optional.empty(), true));
    }

    @Test
    void aWholeChoiceHasWhatItsPiecesHaveAndEachTokenOnce() {
        String text = "Emma 😀 was";
        int[] ids = tokens(text);
        StreamingDecoder decoder = TOKENIZER.decoder();
        List<String> texts = ids(ids).stream().map(decoder::accept).toList();
        Generation generation = new Generation(
                new int[0],
                ids,
                texts,
                List.of(),
                FinishReason.LENGTH,
                0,
                new Generation.Timing(0, 0, 0, 0, 0, Generation.Drafted.NONE),
                Optional.empty());

        Fragment whole = Fragment.of(Choice.fragments(choice(0), generation));

        Choice streamed = choice(0);
        List<Entry> entries = new ArrayList<>();
        fragments(streamed, text).forEach(fragment -> entries.addAll(fragment.tokens()));
        entries.addAll(streamed.finish(FinishReason.LENGTH).tokens());
        assertThat(whole).isEqualTo(new Fragment(text, entries, ids(ids)));
    }
}
