package dev.causal4j.generation;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Vocabulary;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;

/** A model whose tokens are bytes, and constraints of a few texts. */
abstract class ConstrainedFixture {
    static final int END = 0;
    static final String PERSON = """
            {"type": "object", "required": ["name", "kind"], "additionalProperties": false, "properties": {
              "name": {"type": "string", "maxLength": 9}, "kind": {"enum": ["cat", "category", "dog"]},
              "age": {"type": "integer", "minimum": 0, "maximum": 120}}}
            """;
    static final int[] PROMPT = {84, 104, 101};

    final CausalLM model = model();

    private static CausalLM model() {
        try {
            return CausalLM.create(SmallModels.gpt2(301, 512, 40, 2, 4), 5, DType.F32, GeneratorTest.bytes());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @AfterEach
    void close() {
        model.close();
    }

    /** Allows one of some texts, in any spelling by tokens. */
    record OneOf(List<String> texts) implements Constraint {
        @Override
        public Matcher start(Vocabulary vocabulary) {
            return new Text(vocabulary, "");
        }

        private final class Text implements Matcher {
            private final Vocabulary vocabulary;
            private String text;

            private Text(Vocabulary vocabulary, String text) {
                this.vocabulary = vocabulary;
                this.text = text;
            }

            private String with(int token) {
                return text + new String(vocabulary.bytes(token), StandardCharsets.UTF_8);
            }

            @Override
            public void mask(long[] allowed) {
                for (int id = 1; id < vocabulary.vocabularySize(); id++) {
                    String longer = with(id);
                    if (longer.length() > text.length() && texts.stream().anyMatch(each -> each.startsWith(longer))) {
                        allowed[id / 64] |= 1L << id;
                    }
                }
            }

            @Override
            public void accept(int token) {
                text = with(token);
            }

            @Override
            public boolean isAccepting() {
                return texts.contains(text);
            }

            @Override
            public Matcher copy() {
                return new Text(vocabulary, text);
            }
        }
    }

    static Constraint oneOf(String... texts) {
        return new OneOf(List.of(texts));
    }

    static GenerationOptions options(Constraint constraint) {
        return GenerationOptions.DEFAULT
                .withMaxNewTokens(100)
                .withEos(Set.of(END))
                .withConstraint(constraint);
    }

    Generation generated(GenerationOptions options) {
        return new Generator(model).generate(PROMPT, options);
    }

    /** The distribution after tokens, as logarithms. */
    double[] logProbabilities(int... tokens) {
        int[] whole =
                IntStream.concat(IntStream.of(PROMPT), IntStream.of(tokens)).toArray();
        try (Engine engine = new Engine(model)) {
            int[] one = IntStream.concat(IntStream.of(whole), IntStream.of(0)).toArray();
            Prediction next = engine.score(one, whole.length, 301).join().getFirst();
            double[] all = new double[301];
            next.alternatives().forEach(each -> all[each.token()] = each.logProbability());
            return all;
        }
    }
}
