package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class InspectCommandTest {
    private static final Launcher GERMAN = Launcher.BRIEF.with("-Duser.language=de -Duser.country=DE");

    @TempDir
    Path folder;

    @Test
    void theDocumentDescribesTheEmbeddedModel() throws Exception {
        assertThat(Program.run("inspect", "--json").json())
                .isEqualTo(JsonMapper.shared().readTree("""
                {"architecture": "gpt2", "parameters": 4801280, "tied": true, "parameters_saved_by_tying": 786432,
                 "vocabulary_size": 3072, "context_length": 256, "hidden_size": 256, "layers": 5, "heads": 4,
                 "kv_heads": 4, "head_size": 64, "inner_size": 1024,
                 "layer_kinds": [{"layers": 5, "window": null, "positions": "learned", "rope": null, "experts": null, "inner_size": 1024}],
                 "weight_bytes": {"f32": 19205120, "f16": 9636864, "bf16": 9636864, "int8": 5344256, "int4": 3279872},
                 "cache_bytes_per_token": 10240, "cache_bytes": 2621440, "dtype": "bf16", "arithmetic": "float", "tokenizer": true,
                 "bos_token_id": 3071, "eos_token_ids": [3071], "format": "safetensors", "weight_files": 0, "file_bytes": 0,
                 "memory_bytes": 9636864, "mapped": false,
                 "types": [{"type": "BF16", "tensors": 64, "bytes": 9602560}], "tokenizer_kind": "byte-level BPE",
                 "chat_template": null, "adapters": []}"""));
    }

    @Test
    void factsAboutTheHeadAreThoseOfItsRows() throws Exception {
        JsonNode facts =
                Program.run("inspect", "--head", "--nearest", "304", "--json").json();
        try (CausalLM model = AustenModel.load()) {
            float[] row = new float[256];
            double squares = 0;
            double least = Double.MAX_VALUE;
            int smallest = 0;
            double[] sums = new double[256];
            for (int n = 0; n < 3072; n++) {
                model.head().embedding().row(n, row, 0);
                double norm = 0;
                for (int k = 0; k < 256; k++) {
                    norm += (double) row[k] * row[k];
                    sums[k] += row[k] / 3072.0;
                }
                squares += norm / 3072;
                smallest = norm < least ? n : smallest;
                least = Math.min(least, norm);
            }
            double mean = Arrays.stream(sums).map(x -> x * x).sum();
            JsonNode rows = facts.get("head_rows");
            assertThat(rows.get("norm_min").doubleValue()).isCloseTo(Math.sqrt(least), within(1e-9));
            assertThat(rows.get("mean_share").doubleValue()).isCloseTo(mean / squares, within(1e-9));
            assertThat(rows.get("effective_dimensions").doubleValue()).isBetween(5.0, 256.0);
            assertThat(facts.get("head_untrained").get(0).get("token_id").intValue())
                    .isEqualTo(smallest);
        }
        assertThat(facts.get("head_untrained")).hasSize(10);
        JsonNode nearest = facts.get("head_nearest");
        assertThat(nearest.get(0).get("token_id").intValue()).isEqualTo(304);
        assertThat(nearest.get(0).get("cosine").doubleValue()).isCloseTo(1, within(1e-9));
        assertThat(nearest.get(1).get("cosine").doubleValue()).isBetween(0.1, 0.999);
        String small = Repository.copyModel(folder).toString();
        assertThat(Program.run("inspect", "--head", "--model", small).done().out())
                .contains("head untrained ");
        Program.run("inspect", "--nearest", "3").refused(2, "nearest: expected --head with it, got none");
        Program.run("inspect", "--nearest", "-5").refused(2, "nearest: expected --head with it, got none");
        Program.run("inspect", "--head", "--nearest", "-5")
                .refused(2, "nearest: expected a token id from 0 to 3071, got -5");
        Program.run("inspect", "--head", "--nearest", "3072").refused(2, "nearest: expected a token id from 0 to 3071");
        Program.run("inspect", "--head", "--shape", "gpt2-5m").refused(2, "head: expected a model with weights");
    }

    @Test
    void effectiveDimensionsOfASampleAreThoseOfAllRows() throws Exception {
        int rows = 6000;
        int size = 256;
        Path config = Files.writeString(folder.resolve("shape.json"), """
                {"model_type": "gpt2", "vocab_size": 6000, "n_positions": 8, "n_embd": 256, "n_layer": 1, "n_head": 1}""");
        ModelConfig shape = ModelConfig.parse(Files.readString(config));
        double[][] products = new double[size][size];
        try (CausalLM model = CausalLM.create(shape, 1, DType.F32)) {
            model.save(folder, DType.F32);
            double[][] table = new double[rows][size];
            double[] mean = new double[size];
            float[] row = new float[size];
            for (int n = 0; n < rows; n++) {
                model.head().embedding().row(n, row, 0);
                for (int k = 0; k < size; k++) {
                    table[n][k] = row[k];
                    mean[k] += row[k] / (double) rows;
                }
            }
            for (double[] each : table) {
                for (int k = 0; k < size; k++) {
                    for (int other = 0; other <= k; other++) {
                        products[k][other] += (each[k] - mean[k]) * (each[other] - mean[other]);
                    }
                }
            }
        }
        double trace = 0;
        double squares = 0;
        for (int k = 0; k < size; k++) {
            trace += products[k][k];
            for (int other = 0; other <= k; other++) {
                squares += (other == k ? 1 : 2) * products[k][other] * products[k][other];
            }
        }
        double exact = trace * trace / squares;
        assertThat(exact).isBetween(244.0, 247.0); // 1 / (1/256 + 1/6000)
        JsonNode facts = Program.run("inspect", "--head", "--json", "--model", folder.toString())
                .json();
        assertThat(facts.at("/head_rows/effective_dimensions").doubleValue()).isCloseTo(exact, within(0.004 * exact));
    }

    @Test
    void theDocumentDescribesAFolder() throws Exception {
        Path config = Repository.copyModel(folder).resolve("config.json");
        String json = Files.readString(config)
                .replace("\"bos_token_id\": 96", "\"bos_token_id\": null")
                .replace("\"eos_token_id\": 96", "\"eos_token_id\": [9, 3]");
        Files.writeString(config, json);
        Files.writeString(folder.resolve("chat_template.jinja"), "{{ messages[0].content }}");
        Files.createFile(Files.createDirectory(folder.resolve("adapter")).resolve("adapter_config.json"));
        String[] arguments = {"inspect", "--json", "--model", folder.toString(), "--dtype", "bf16"};
        assertThat(Program.run(arguments).json()).isEqualTo(JsonMapper.shared().readTree("""
                {"architecture": "gpt2", "parameters": 17592, "tied": true, "parameters_saved_by_tying": 2328,
                 "vocabulary_size": 97, "context_length": 32, "hidden_size": 24, "layers": 2, "heads": 3,
                 "kv_heads": 3, "head_size": 8, "inner_size": 96,
                 "layer_kinds": [{"layers": 2, "window": null, "positions": "learned", "rope": null, "experts": null, "inner_size": 96}],
                 "weight_bytes": {"f32": 131712, "f16": 67200, "bf16": 67200, "int8": 95616, "int4": 90240},
                 "cache_bytes_per_token": 384, "cache_bytes": 12288, "dtype": "bf16", "arithmetic": "float", "tokenizer": false,
                 "bos_token_id": null, "eos_token_ids": [3, 9], "format": "safetensors", "weight_files": 1,
                 "file_bytes": 72600, "memory_bytes": 67200, "mapped": false, "types": [{"type": "F32", "tensors": 28, "bytes": 70368}], "tokenizer_kind": null,
                 "chat_template": "chat_template.jinja", "adapters": ["adapter"]}"""));
    }

    @ParameterizedTest
    @CsvSource({
        "smollm2-135m, llama, 134515008, 46080, 0",
        "smollm2-360m, llama, 361821120, 81920, 0",
        "qwen2.5-0.5b, qwen2, 494032768, 24576, 0",
        "qwen3-0.6b, qwen3, 596049920, 229376, 0",
        "qwen3.5-0.8b, qwen3_5_text, 752393024, 24576, 20201472",
        "llama-3.2-1b, llama, 1235814400, 65536, 0",
        "gemma-3-270m, gemma3_text, 268098176, 36864, 0",
        "gemma-3-1b, gemma3_text, 999885952, 53248, 0",
        "gemma-4-e2b, gemma4_text, 4628569344, 36864, 0",
        "granite-4-h-1b, granitemoehybrid, 1461538368, 16384, 58060800",
        "gpt2-small, gpt2, 124439808, 73728, 0",
        "gpt2-5m, gpt2, 4801280, 10240, 0",
        "llama-5m, llama, 4721408, 5120, 0",
        "lfm2-1.2b, lfm2, 1170340608, 24576, 163840",
        "lfm2-5m, lfm2, 4920576, 2048, 6144"
    })
    void aShapeHasTheSizesOfTheRealModel(String shape, String family, long parameters, long cache, long state)
            throws Exception {
        JsonNode facts = Program.run("inspect", "--shape", shape, "--json").json();
        assertThat(facts.get("architecture").stringValue()).isEqualTo(family);
        assertThat(facts.get("parameters").longValue()).isEqualTo(parameters);
        assertThat(facts.get("cache_bytes_per_token").longValue()).isEqualTo(cache);
        long full = facts.get("context_length").longValue() * cache;
        long windows = facts.at("/layer_kinds/0/window").asLong(0) == 0 ? 0 : 1;
        assertThat(facts.get("cache_bytes").longValue()).isBetween(full / (1 + 5 * windows), full - windows);
        assertThat(facts.path("state_bytes").asLong(0)).isEqualTo(state);
        // Biases, gains and padding take little more than the weights.
        long held = parameters - facts.path("looked_up_parameters").asLong(0);
        assertThat(facts.at("/weight_bytes/bf16").doubleValue()).isBetween(2.0 * held, 2.01 * held);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "gemma3   | window 7; positions rotary; rope theta 3000.0; scaling default; factor 1.0; inner size 44",
                "gemma3   | positions rotary; rope theta 200000.0; scaling linear; factor 8.0; inner size 44",
                "smollm3  | layers 1; positions none; inner size 52",
                "gemma4-e2b | rope theta 200000.0; scaling proportional; factor 1.0; keys of another layer; inner size 88",
                "qwen3_moe| layers 1; positions rotary; rope theta 6000.0; scaling default; factor 1.0; inner size 36",
                "qwen3_moe| layers 2; positions rotary; rope theta 6000.0; scaling default; factor 1.0;"
                        + " experts count 5; chosen 2; inner size 20",
                "phi3     | rope theta 3000.0; scaling longrope; factor 4.0",
                "olmo3    | layers 3; window 7; positions rotary; rope theta 4000.0; scaling default; factor 1.0;",
                "olmo3    | layers 1; positions rotary; rope theta 4000.0; scaling yarn; factor 4.0;",
                "gpt_oss  | rope theta 1000.0; scaling yarn; factor 4.0",
                "qwen3_5_moe | layers 2; mixer gated delta net; heads 4; kernel 4; experts count 5; chosen 2; inner size 14",
                "lfm2     | layers 3; mixer short convolution; kernel 3; inner size 64",
                "ministral3 | rope theta 1000.0; scaling yarn; factor 8.0",
                "llama-dynamic | scaling dynamic; factor 3.0",
                "llama-llama3  | scaling llama3; factor 8.0",
            })
    void kindsOfLayersAreTold(String fixture, String told) throws Exception {
        Path model = Repository.root().resolve("core/src/test/resources/dev/causal4j/golden/" + fixture);
        for (String config : List.of("config.json", "config.v5.json")) {
            assertThat(Program.run("inspect", "--config", model.resolve(config).toString())
                            .done()
                            .out()
                            .replaceAll("\n {27}", " ")
                            .lines()
                            .filter(line -> line.startsWith("layer kinds ")))
                    .anyMatch(line -> line.contains(told));
        }
    }

    /** A library warning is one line too. */
    @Test
    void whatIsOddAboutAFolderIsSaidOnStandardError() throws Exception {
        Path model = Repository.root().resolve("core/src/test/resources/dev/causal4j/golden/gpt2-untied");
        Files.copy(model.resolve("model.safetensors"), folder.resolve("model.safetensors"));
        String json = Files.readString(model.resolve("config.json"));
        Files.writeString(folder.resolve("config.json"), json.replace("\"tie_word_embeddings\": false,", ""));
        Program.Run run = GERMAN.run("inspect", "--model", folder.toString());
        assertThat(run.err())
                .startsWith("WARNING: " + folder + ": tie_word_embeddings is true")
                .containsOnlyOnce("\n");
        assertThat(run.out().lines()).contains("tied                       false");
        assertThat(run.status()).isZero();
    }

    @Test
    void theTableIsForPeopleWhateverTheirLocale() throws Exception {
        Program.Run run = GERMAN.run("inspect").done();
        assertThat(run.out().lines())
                .contains(
                        "architecture               gpt2",
                        "parameters                 4,801,280",
                        "parameters saved by tying  786,432",
                        "tied                       true",
                        "bos token id               3071",
                        "eos token ids              3071");
    }
}
