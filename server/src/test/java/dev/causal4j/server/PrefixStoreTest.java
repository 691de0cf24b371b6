package dev.causal4j.server;

import static dev.causal4j.server.Served.MODEL;
import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.send;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.PrefixStore;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Servers that follow each other read what the ones before computed. */
class PrefixStoreTest {
    private static final String PROMPT = "It is a truth universally acknowledged. ".repeat(60);

    @TempDir
    Path folder;

    private CausalLM model = MODEL;

    @BeforeEach
    void load() throws IOException {
        int vocabulary = MODEL.requireTokenizer().vocabularySize();
        ModelConfig config = ModelConfig.parse("""
                {"model_type": "gpt2", "vocab_size": %d, "n_positions": 1024, "n_embd": 16, "n_layer": 2, "n_head": 2}
                """.formatted(vocabulary));
        try (CausalLM made = CausalLM.create(config, 5, DType.F32, MODEL.requireTokenizer())) {
            made.save(folder, DType.F32);
        }
        model = CausalLM.load(folder, LoadOptions.DEFAULT.withDigests(true));
    }

    @AfterEach
    void close() {
        model.close();
    }

    /** The answers of new servers to requests with these keys. */
    private JsonNode ask(List<String> keys, String key, String fields) throws Exception {
        PrefixStore store = PrefixStore.open(folder.resolve("store"), PrefixStore.DEFAULT_BYTES);
        try (Server server =
                Server.start(model, ChatTemplate.plain(), OPTIONS.withKeys(keys).withPrefixStore(store))) {
            String body = "{'prompt': '" + PROMPT + "', 'max_tokens': 8, 'seed': 2, 'logprobs': 1" + fields + "}";
            String[] headers = key.isEmpty() ? new String[0] : new String[] {"Authorization", "Bearer " + key};
            return JsonMapper.shared()
                    .readTree(send(server, "/v1/completions", body, headers).body());
        }
    }

    private static int cached(JsonNode answer) {
        return answer.at("/usage/prompt_tokens_details/cached_tokens").intValue();
    }

    @Test
    void cachedTokensCountWhatComesFromTheFolder() throws Exception {
        JsonNode first = ask(List.of(), "", "");
        assertThat(cached(first)).isZero();
        JsonNode second = ask(List.of(), "", "");
        int tokens = second.at("/usage/prompt_tokens").intValue();
        assertThat(cached(second)).isEqualTo((tokens - 1) / 64 * 64).isGreaterThanOrEqualTo(256);
        assertThat(second.get("choices")).isEqualTo(first.get("choices"));
        assertThat(cached(ask(List.of(), "", ", 'cache_prompt': false"))).isZero();
        assertThat(cached(ask(List.of(), "", ", 'cache_salt': 'x'"))).isZero();
        assertThat(cached(ask(List.of(), "", ", 'cache_salt': 'x'"))).isEqualTo(cached(second));
    }

    @Test
    void keysInAnotherOrderGetNobodyElsesPages() throws Exception {
        assertThat(cached(ask(List.of("one", "two"), "one", ""))).isZero();
        assertThat(cached(ask(List.of("two", "one"), "two", ""))).isZero();
        assertThat(cached(ask(List.of("two", "three", "one"), "one", ""))).isPositive();
        assertThat(cached(ask(List.of("three"), "three", ""))).isZero();
        assertThat(cached(ask(List.of(), "", ""))).isZero();
    }
}
