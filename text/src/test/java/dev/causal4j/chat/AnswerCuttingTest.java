package dev.causal4j.chat;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.Whole;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Answers made of the marks of a format in any order: no cutting changes what they mean, and no word of them is lost. */
class AnswerCuttingTest {
    private static final int ANSWERS = Whole.or(20_000, 150);
    private static final List<ToolDefinition> TOOLS = List.of(new ToolDefinition(Map.of("name", "f")));
    private static final Pattern PARTS = Pattern.compile("<[^<>]{1,40}>|\\$\\w+|[\"\\[\\]{}():,;=]|\\w+|\\s+|.");
    private static final List<String> MARKS = List.of(
            "<|end|>", "<|return|>", "<|call|>", "<|start|>assistant", "<|channel|>final", "<|channel|>analysis");
    private static final List<String> ANY = List.of(
            "\"", "\\", "{", "}", "[", "]", "(", ")", ",", ":", "=", "'", ";", "<", "\n", " ", "null", "<think>");
    private static final int[] MANY = {4_095, 4_096, 5_000}; // blanks, about as many as a parser waits for
    private static final Pattern WORD = Pattern.compile("word[0-9]+x");

    /** Pieces of the ways in which a format writes calls, which answers are made of. */
    private static List<String> parts(ToolFormat format) {
        List<String> parts = new ArrayList<>(ANY);
        for (ToolFormat.Form form : format.forms()) {
            for (String text : List.of(form.mark(), form.begin(), form.call(), form.member(), form.end())) {
                parts.add(text.replace("$name", "f")
                        .replace("$arguments", "{\"k\": 1}")
                        .replaceAll("[«»]", ""));
                PARTS.matcher(text).results().map(MatchResult::group).forEach(parts::add);
            }
        }
        parts.addAll(List.of(format.thought(), format.thoughtEnd(), format.close, format.quote(), "f", " to=f "));
        parts.addAll(format == ToolFormat.HARMONY ? MARKS : List.of());
        parts.removeIf(part -> part.isEmpty() || part.equals("«") || part.equals("»") || part.startsWith("$"));
        return parts;
    }

    private static String answer(List<String> parts, SplittableRandom random) {
        StringBuilder text = new StringBuilder();
        int count = random.nextInt(1, 14);
        for (int i = 0; i < count; i++) {
            int kind = random.nextInt(20);
            String part = parts.get(random.nextInt(parts.size()));
            text.append(kind > 3 ? part : "word" + i + "x");
        }
        if (random.nextInt(20) == 0) { // more than a parser waits for
            int place = random.nextInt(text.length() + 1);
            text.insert(place, " ".repeat(random.nextInt(4_000, 4_200)));
        }
        return text.toString();
    }

    private static List<String> cut(String text, int most, SplittableRandom random) {
        List<String> pieces = new ArrayList<>();
        for (int at = 0; at < text.length(); at += pieces.getLast().length()) {
            pieces.add(text.substring(at, Math.min(text.length(), at + random.nextInt(1, most + 1))));
        }
        return pieces;
    }

    /** Collects all that a listener is told. */
    private static final class Heard implements Answer.Listener {
        final StringBuilder all = new StringBuilder();

        @Override
        public void content(String piece) {
            all.append(piece);
        }

        @Override
        public void reasoning(String piece) {
            all.append(piece);
        }

        @Override
        public void call(int index, String id, String name) {
            all.append(name).append(id);
        }

        @Override
        public void arguments(int index, String piece) {
            all.append(piece);
        }
    }

    private static Answer read(ToolFormat format, ToolChoice choice, List<String> pieces, Heard heard) {
        AnswerParser parser = new AnswerParser(format, TOOLS, choice, false, 1, heard);
        pieces.forEach(parser::accept);
        return parser.end("stop");
    }

    private static List<String> words(String text) {
        return WORD.matcher(text).results().map(MatchResult::group).distinct().toList();
    }

    @ParameterizedTest
    @EnumSource(ToolFormat.class)
    void noCuttingChangesAnAnswerAndNoWordIsLost(ToolFormat format) {
        List<String> parts = parts(format);
        ToolChoice choice = format == ToolFormat.NONE ? ToolChoice.REQUIRED : ToolChoice.AUTO;
        SplittableRandom random = new SplittableRandom(7);
        for (int i = 0; i < ANSWERS; i++) {
            String text = answer(parts, random);
            Heard heard = new Heard();
            Answer whole = read(format, choice, List.of(text), heard);
            for (int most : new int[] {text.length() < 1_000 ? 1 : 100, 7, 5_000}) {
                Heard parted = new Heard();
                assertThat(read(format, choice, cut(text, most, random), parted))
                        .as("%s of %s", format, shown(text))
                        .isEqualTo(whole);
                assertThat(words(parted.all.toString()))
                        .as("heard of %s", shown(text))
                        .containsAll(words(text));
            }
            assertThat(words(whole.toString()))
                    .as("%s of %s", format, shown(text))
                    .containsAll(words(text));
            assertThat(words(heard.all.toString())).containsAll(words(text));
        }
    }

    /** Blanks in each place of a call, enough that a whole answer shows them all at once and pieces do not. */
    @ParameterizedTest
    @EnumSource(ToolFormat.class)
    void noCuttingChangesACallWithManyBlanks(ToolFormat format) {
        ToolChoice choice = format == ToolFormat.NONE ? ToolChoice.REQUIRED : ToolChoice.AUTO;
        SplittableRandom random = new SplittableRandom(3);
        for (ToolFormat.Form form : format.forms()) {
            String call =
                    form.call().replaceAll("[«»]", "").replace("$name", "f").replace("$id", "abcdefgh1");
            String member = form.member().replace("$key", "k").replace("$value", "1");
            String text = form.mark() + form.begin()
                    + call.replace("$members", member).replace("$arguments", "{\"k\": 1}") + form.end() + "word1x";
            for (int at = 0; at <= text.length() - "word1x".length(); at++) {
                for (int blanks : Whole.RUN ? MANY : new int[] {MANY[at % MANY.length]}) {
                    String spaced = text.substring(0, at) + " ".repeat(blanks) + text.substring(at);
                    Answer whole = read(format, choice, List.of(spaced), new Heard());
                    assertThat(read(format, choice, cut(spaced, 600, random), new Heard()))
                            .as("%s of %s", format, shown(spaced))
                            .isEqualTo(whole);
                    assertThat(words(whole.toString())).containsExactly("word1x");
                }
            }
        }
    }

    @Test
    void aHeadOfHarmonyHasOnlyItsOwnWords() {
        for (String text : List.of(
                "<|channel|>final Hello world<|return|>",
                "<|channel|>final Hello",
                " to=functions.f anything",
                " to=functions.f anything<|message|>{}",
                "<|channel|>finalHello<|message|>")) {
            assertThat(read(ToolFormat.HARMONY, ToolChoice.AUTO, List.of(text), new Heard()))
                    .isEqualTo(new Answer(text, "", List.of(), "stop"));
        }
        Answer answer = read(
                ToolFormat.HARMONY,
                ToolChoice.AUTO,
                List.of("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final The answer is 4."),
                new Heard());
        assertThat(answer.reasoning()).isEqualTo("a");
        assertThat(answer.content()).isEqualTo("<|end|><|start|>assistant<|channel|>final The answer is 4.");
    }

    private static String shown(String text) {
        return text.replaceAll(" {100,}", "(many blanks)");
    }
}
