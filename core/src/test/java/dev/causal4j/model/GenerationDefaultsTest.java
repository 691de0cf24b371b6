package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;

import dev.causal4j.FormatException;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GenerationDefaultsTest {
    private static final int[] PROMPT = {3, 41, 5};

    @TempDir
    private Path folder;

    @BeforeEach
    void aModel() throws IOException {
        Variant.of("qwen2-tied").write(folder);
    }

    private CausalLM load(String json) throws IOException {
        Files.writeString(folder.resolve("generation_config.json"), json);
        return CausalLM.load(folder);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"do_sample\": true, \"temperature\": 0.6, \"top_k\": 20, \"top_p\": 0.95} | 0.6 | 20 | 0.95 | 0 | 1 | 1 | 0",
                "{\"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.9}    | 0.6 | 50 | 0.9 | 0   | 1   | 1    | 0",
                "{\"do_sample\": true}                                          | 1   | 50 | 1   | 0   | 1   | 1    | 0",
                "{\"do_sample\": true, \"top_k\": null}                         | 1   | 0  | 1   | 0   | 1   | 1    | 0",
                "{\"do_sample\": true, \"top_k\": 0, \"min_p\": 0.1, \"typical_p\": 0.5} | 1 | 0 | 1 | 0.1 | 0.5 | 1 | 0",
                "{\"do_sample\": false, \"temperature\": 0.6, \"top_k\": 20, \"top_p\": 0.9, \"min_p\": 0.1} | 0 | 0 | 1 | 0 | 1 | 1 | 0",
                "{\"temperature\": 0.6, \"repetition_penalty\": 1.05}           | 0   | 0  | 1   | 0   | 1   | 1.05 | 0",
                "{\"do_sample\": true, \"repetition_penalty\": 1.1, \"no_repeat_ngram_size\": 3, \"top_k\": 4} | 1 | 4 | 1 | 0 | 1 | 1.1 | 3",
                "{\"eos_token_id\": 7, \"cache_implementation\": \"hybrid\"}    | 0   | 0  | 1   | 0   | 1   | 1    | 0"
            })
    void theFileMeansWhatItMeansInTransformers(
            String json,
            double temperature,
            int topK,
            double topP,
            double minP,
            double typicalP,
            double penalty,
            int ngram)
            throws IOException {
        try (CausalLM model = load(json)) {
            assertThat(model.generationDefaults().numbers())
                    .containsExactly(
                            entry("temperature", temperature),
                            entry("top_k", topK),
                            entry("top_p", topP),
                            entry("min_p", minP),
                            entry("typical_p", typicalP),
                            entry("repetition_penalty", penalty),
                            entry("no_repeat_ngram_size", ngram));
        }
    }

    @Test
    void withoutTheFileAModelSamplesFromItsOwnDistribution() throws IOException {
        try (CausalLM model = CausalLM.load(folder)) {
            assertThat(model.generationDefaults()).isEqualTo(GenerationDefaults.NONE);
            assertThat(tokens(model, GenerationOptions.of(model))).isEqualTo(tokens(model, GenerationOptions.DEFAULT));
        }
    }

    @Test
    void itsTokenIdsWinOverTheConfigurations() throws IOException {
        try (CausalLM model = load("{\"eos_token_id\": [5, 9, 999], \"bos_token_id\": 4}")) {
            assertThat(model.eos()).containsExactlyInAnyOrder(5, 9);
            assertThat(model.bos()).hasValue(4);
        }
        try (CausalLM model = load("{\"do_sample\": true}")) {
            assertThat(model.eos()).containsExactly(102);
            assertThat(model.bos()).hasValue(101);
        }
    }

    private static int[] tokens(CausalLM model, GenerationOptions options) {
        Generation generation = new Generator(model)
                .generate(PROMPT, options.withMaxNewTokens(12).withSeed(3));
        return generation.tokens();
    }

    @Test
    void optionsThatAreGivenWin() throws IOException {
        String json = "{\"do_sample\": true, \"temperature\": 0.5, \"top_k\": 7, \"top_p\": 0.8, \"min_p\": 0.01,"
                + " \"repetition_penalty\": 1.3, \"eos_token_id\": []}";
        try (CausalLM model = load(json)) {
            int[] own = tokens(model, GenerationOptions.of(model));
            GenerationOptions given = GenerationOptions.DEFAULT
                    .withTemperature(0.5)
                    .withTopK(7)
                    .withTopP(0.8)
                    .withMinP(0.01)
                    .withRepetitionPenalty(1.3);
            assertThat(own).isEqualTo(tokens(model, given));
            int[] hot = tokens(model, GenerationOptions.of(model).withTemperature(3));
            assertThat(hot).isNotEqualTo(own).isEqualTo(tokens(model, given.withTemperature(3)));
        }
        try (CausalLM greedy = load("{\"temperature\": 0.5, \"top_k\": 7, \"eos_token_id\": []}")) {
            assertThat(tokens(greedy, GenerationOptions.of(greedy)))
                    .isEqualTo(tokens(greedy, GenerationOptions.DEFAULT.withTemperature(0)));
            assertThat(tokens(greedy, GenerationOptions.of(greedy).withTemperature(2)))
                    .isEqualTo(tokens(greedy, GenerationOptions.DEFAULT.withTemperature(2)));
        }
    }

    @Test
    void copiesOfTheModelKeepTheFile() throws IOException {
        String json = "{\"do_sample\":true,\"top_p\":0.9,\"max_new_tokens\":7,\"eos_token_id\":[5,9]}";
        Path saved = Files.createDirectory(folder.resolve("saved"));
        try (CausalLM model = load(json);
                CausalLM merged = model.merged()) {
            merged.save(saved, DType.F32);
        }
        assertThat(saved.resolve("generation_config.json")).hasContent(json);
        Path converted = folder.resolve("converted");
        Conversion.of(saved).toPanels(converted);
        try (CausalLM model = CausalLM.load(converted)) {
            assertThat(model.generationDefaults().numbers()).containsEntry("top_p", 0.9);
            assertThat(model.eos()).containsExactlyInAnyOrder(5, 9);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"do_sample\": 1}             | do_sample | true or false",
                "{\"temperature\": \"hot\"}     | temperature | a number from",
                "{\"top_p\": 0}                 | top_p | a number from",
                "{\"top_p\": 1.5}               | top_p | a number from",
                "{\"top_k\": 1.5}               | top_k | an integer from",
                "{\"repetition_penalty\": 0}    | repetition_penalty | a number from",
                "{\"eos_token_id\": \"</s>\"}   | eos_token_id | an integer",
                "[]                             | generation_config.json | a JSON object"
            })
    void whatIsWrongIsNamed(String json, String key, String expected) {
        assertThatThrownBy(() -> load(json))
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith(folder.resolve("generation_config.json").toString())
                .hasMessageContaining(key)
                .hasMessageContaining(expected);
    }
}
