package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.Whole;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The promise: the same logits to the last bit, whatever the threads, the batch, the chunks, the cache. {@link
 * EqualKernelsTest} tests it across machines.
 */
@ParameterizedClass
@MethodSource("cases")
class EqualBitsTest {
    /** Odd on purpose: no size is a multiple of a vector, and sequences cross the 64 positions of a block. */
    private static final int VOCABULARY = 523;

    private static final String SIZES = """
            {"vocab_size": 523, "max_position_embeddings": 200, "hidden_size": 60, "num_hidden_layers": 3,
             "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 14, "intermediate_size": 71,
             "tie_word_embeddings": true,
            """;

    /** Shapes that only {@code .ci/run} tests here; in {@code ./check} the tests of families cover them. */
    private static final Set<Shape> WHOLE = Set.of(
            Shape.WINDOWS_OF_QUERIES_AND_KEYS_WITH_NORMS,
            Shape.SINKS_AND_EXPERTS,
            Shape.KEYS_OF_OTHERS,
            Shape.EXPERTS_BESIDE,
            Shape.NO_POSITIONS,
            Shape.PARALLEL,
            Shape.GROWING_QUERIES);

    private static final Set<Shape> BF16_PAGES =
            Set.of(Shape.WINDOWS, Shape.KEYS_OF_OTHERS, Shape.DELTA_NETS_AND_A_SHARED_EXPERT);

    /** The kinds of decoders; windows are a little longer than a page. */
    enum Shape {
        PLAIN("""
                {"model_type": "gpt2", "vocab_size": 523, "n_positions": 200, "n_embd": 85, "n_layer": 3, "n_head": 5,
                 "n_inner": 171}"""),
        GROUPS("""
                {"model_type": "gpt2", "vocab_size": 523, "n_positions": 200, "n_embd": 96, "n_layer": 2, "n_head": 3,
                 "n_inner": 160}"""),
        WINDOWS(SIZES + """
                "model_type": "gemma2", "sliding_window": 67}"""),
        WINDOWS_OF_QUERIES_AND_KEYS_WITH_NORMS(SIZES + """
                "model_type": "gemma3_text", "sliding_window": 70, "layer_types":
                ["sliding_attention", "full_attention", "sliding_attention"]}"""),
        SINKS_AND_EXPERTS(SIZES + """
                "model_type": "gpt_oss", "sliding_window": 65, "num_local_experts": 5, "num_experts_per_tok": 2,
                "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 50}}"""),
        KEYS_OF_OTHERS(SIZES + """
                "model_type": "gemma4_text", "sliding_window": 67, "global_head_dim": 22, "attention_k_eq_v": true,
                "num_global_key_value_heads": 1, "hidden_size_per_layer_input": 10, "vocab_size_per_layer_input": 523,
                "num_kv_shared_layers": 1, "use_double_wide_mlp": true,
                "layer_types": ["sliding_attention", "full_attention", "full_attention"]}"""),
        EXPERTS_BESIDE(SIZES + """
                "model_type": "gemma4_text", "sliding_window": 65, "global_head_dim": 18,
                "hidden_size_per_layer_input": 0, "enable_moe_block": true, "num_experts": 5, "top_k_experts": 2,
                "moe_intermediate_size": 33}"""),
        NO_POSITIONS(SIZES + """
                "model_type": "smollm3", "no_rope_layers": [1, 0, 1]}"""),
        PARALLEL(SIZES + """
                "model_type": "gpt_neox", "rotary_pct": 0.4}"""),
        CONVOLUTIONS_AND_CHOICE_BY_SIGMOIDS(SIZES + """
                "model_type": "lfm2_moe", "layer_types": ["conv", "full_attention", "conv"], "conv_L_cache": 4,
                "conv_bias": true, "num_dense_layers": 1, "moe_intermediate_size": 37, "num_experts": 5,
                "num_experts_per_tok": 2}"""),
        DELTA_NETS_AND_A_SHARED_EXPERT(SIZES + """
                "model_type": "qwen3_5_moe_text", "partial_rotary_factor": 0.6, "linear_num_key_heads": 2,
                "linear_num_value_heads": 4, "linear_key_head_dim": 11, "linear_value_head_dim": 45,
                "layer_types": ["linear_attention", "full_attention", "linear_attention"], "num_experts": 5,
                "num_experts_per_tok": 2, "moe_intermediate_size": 37, "shared_expert_intermediate_size": 41}"""),
        STATE_SPACES(SIZES + """
                "model_type": "granitemoehybrid", "mamba_n_heads": 4, "mamba_d_head": 45, "mamba_expand": 3,
                "mamba_n_groups": 2, "mamba_d_state": 11, "time_step_limit": [0.001, 0.9], "num_local_experts": 0,
                "layer_types": ["mamba", "attention", "mamba"], "shared_intermediate_size": 41}"""),
        GROWING_QUERIES(SIZES + """
                "model_type": "ministral3", "rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4,
                "original_max_position_embeddings": 50, "llama_4_scaling_beta": 0.3}}""");

        private final String json;

        Shape(String json) {
            this.json = json;
        }
    }

    /** A model of random weights. */
    record Case(Shape shape, DType dtype, DType cached) {
        CausalLM model() {
            ModelConfig config = SmallModels.config(shape.json);
            return new CausalLM(
                    "random",
                    config,
                    CausalLM.create(config, 20, dtype),
                    LoadOptions.DEFAULT.withCached(cached).cache(),
                    TextFiles.of(null),
                    ModelDigests.NONE,
                    null);
        }
    }

    private final DType dtype;
    private final CausalLM model;
    private final int threads = Compute.shared().threads();

    EqualBitsTest(Case each) {
        this.dtype = each.dtype;
        this.model = each.model();
    }

    static List<Case> cases() {
        List<Case> cases = new ArrayList<>();
        for (DType dtype : Whole.RUN ? List.of(DType.F32, DType.BF16, DType.F16) : List.of(DType.F32, DType.BF16)) {
            cases.add(new Case(Shape.PLAIN, dtype, DType.F32));
        }
        for (DType dtype : Whole.RUN ? List.of(DType.INT8, DType.INT4) : List.of(DType.INT4)) {
            cases.add(new Case(Shape.GROUPS, dtype, DType.F32));
        }
        for (Shape shape : Shape.values()) {
            if (shape != Shape.PLAIN && shape != Shape.GROUPS && (Whole.RUN || !WHOLE.contains(shape))) {
                cases.add(new Case(shape, DType.F32, BF16_PAGES.contains(shape) ? DType.BF16 : DType.F32));
            }
        }
        return cases;
    }

    @AfterEach
    void restoreThreads() {
        Compute.shared().use(threads);
    }

    @Test
    void oneTwoAndThreeThreadsAgree() {
        int[] tokens = tokens(1, 133);
        Compute.shared().use(1);
        float[] expected = logits(model, tokens);
        for (int count = 2; count <= 3; count++) {
            Compute.shared().use(count);
            assertSameBits(logits(model, tokens), expected);
        }
    }

    @Test
    void aSequenceAloneAgreesWithItselfInABatchOfFive() {
        int[] lengths = {1, 7, 64, 65, 129};
        float[] together = inABatch(model, lengths);
        int row = 0;
        for (int length : lengths) {
            int from = row * VOCABULARY;
            row += length;
            assertSameBits(Arrays.copyOfRange(together, from, row * VOCABULARY), logits(model, tokens(length, length)));
        }
    }

    /** The logits of sequences of these lengths that are forwarded together. */
    static float[] inABatch(CausalLM model, int... lengths) {
        List<Batch.Chunk> chunks = new ArrayList<>();
        for (int length : lengths) {
            chunks.add(new Batch.Chunk(model.newCache(), tokens(length, length)));
        }
        Batch batch = new Batch(chunks);
        return allLogits(model, batch, model.forward(batch, new Activations()));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 64, 65})
    void aPromptInOnePieceAgreesWithItsChunks(int size) {
        int[] sizes = IntStream.range(0, Math.ceilDiv(150, size))
                .map(i -> Math.min(size, 150 - i * size))
                .toArray();
        assertSameBits(inPieces(model, sizes), logits(model, tokens(9, 150)));
    }

    /** The logits of a prompt that is fed in pieces of these sizes. */
    static float[] inPieces(CausalLM model, int... sizes) {
        int[] tokens = tokens(9, IntStream.of(sizes).sum());
        KVCache cache = model.newCache();
        Activations activations = new Activations();
        float[] pieces = new float[tokens.length * VOCABULARY];
        int from = 0;
        for (int size : sizes) {
            Batch batch = Batch.of(cache, Arrays.copyOfRange(tokens, from, from + size));
            float[] logits = allLogits(model, batch, model.forward(batch, activations));
            System.arraycopy(logits, 0, pieces, from * VOCABULARY, logits.length);
            from += size;
        }
        return pieces;
    }

    /** Lengths around the edges of pages, with caches that are copied, cut and filled again. */
    @Test
    void aPromptCutAnywhereAgreesWithOnePiece() {
        int[] tokens = tokens(9, 150);
        float[] whole = logits(model, tokens);
        Activations activations = new Activations();
        try (KVCache start = model.newCache()) {
            model.forward(Batch.last(start, Arrays.copyOf(tokens, 130)), activations);
            for (int cut : new int[] {1, 63, 64, 65, 100, 127, 128, 129, 130}) {
                try (KVCache copy = start.copy()) {
                    if (model.config().stateBytes() > 0 && cut < 130) {
                        assertThatThrownBy(() -> copy.truncate(cut)).hasMessageContaining("whose state");
                        continue;
                    }
                    copy.truncate(cut);
                    Batch rest = Batch.of(copy, Arrays.copyOfRange(tokens, cut, tokens.length));
                    float[] logits = allLogits(model, rest, model.forward(rest, activations));
                    assertSameBits(logits, Arrays.copyOfRange(whole, cut * VOCABULARY, whole.length));
                }
            }
        }
    }

    /** Two sequences of a batch, one of which keeps more of what was fed than the other. */
    @ParameterizedTest
    @ValueSource(ints = {1, 60, 120})
    void rowsThatAreTakenBackLeaveNothing(int from) {
        int[] tokens = tokens(9, 140);
        float[] whole = logits(model, tokens);
        Activations activations = new Activations();
        for (int right : new int[] {0, 1, 5, 9}) {
            List<KVCache> caches = List.of(model.newCache(), model.newCache());
            int[] begin = Arrays.copyOf(tokens, from);
            model.forward(batch(caches, List.of(begin, begin)), activations);
            caches.forEach(cache -> assertThat(cache.keepState()).isTrue());
            int[] fed = tokens(10, 12);
            System.arraycopy(tokens, from, fed, 0, right);
            model.forward(batch(caches, List.of(fed, Arrays.copyOfRange(tokens, from, from + 9))), activations);
            caches.get(0).truncate(from + right);
            caches.get(1).truncate(from + 9 - right);
            for (KVCache cache : caches) {
                int length = cache.length();
                Batch rest = Batch.of(cache, Arrays.copyOfRange(tokens, length, tokens.length));
                float[] logits = allLogits(model, rest, model.forward(rest, activations));
                assertSameBits(logits, Arrays.copyOfRange(whole, length * VOCABULARY, whole.length));
                cache.close();
            }
        }
    }

    @Test
    void cachedAgreesWithRecomputed() {
        int[] tokens = tokens(11, 140);
        KVCache cache = model.newCache();
        Activations activations = new Activations();
        model.forward(Batch.of(cache, Arrays.copyOf(tokens, 60)), activations);
        for (int length = 61; length <= tokens.length; length++) {
            Rows hidden = model.forward(Batch.of(cache, tokens[length - 1]), activations);
            float[] cached = model.head().logits(hidden, 0);
            if (length % 13 == 0 || (length > 125 && length < 132)) {
                float[] all = logits(model, Arrays.copyOf(tokens, length));
                assertSameBits(cached, Arrays.copyOfRange(all, (length - 1) * VOCABULARY, length * VOCABULARY));
            }
        }
    }

    @Test
    void prefillAndDecodeInOneBatchAgreeWithEachAlone() {
        int[] first = tokens(21, 71);
        int[] second = tokens(22, 90);
        KVCache decoding = model.newCache();
        model.forward(Batch.of(decoding, Arrays.copyOf(first, 70)), new Activations());
        Batch mixed = new Batch(
                List.of(new Batch.Chunk(decoding, new int[] {first[70]}), new Batch.Chunk(model.newCache(), second)));
        float[] together = allLogits(model, mixed, model.forward(mixed, new Activations()));
        float[] alone = logits(model, first);
        assertSameBits(
                Arrays.copyOf(together, VOCABULARY), Arrays.copyOfRange(alone, 70 * VOCABULARY, 71 * VOCABULARY));
        assertSameBits(Arrays.copyOfRange(together, VOCABULARY, together.length), logits(model, second));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void wantedRowsAloneAgreeWithAWholeForward(int count) {
        Compute.shared().use(count);
        wantedRowsAgree(model, true, new Activations(), new Activations());
        wantedRowsAgree(model, false, new Activations(), new Activations());
        ModelConfig oneLayerOfWholePanels = SmallModels.gpt2(VOCABULARY, 200, 128, 1, 2, "\"n_inner\": 256");
        CausalLM other = CausalLM.create(oneLayerOfWholePanels, 20, dtype);
        wantedRowsAgree(other, false, new Activations(), new Activations());
    }

    @Test
    void wantedRowsAloneAgreeWithAdaptersAndDropout() {
        Activations whole = new Activations();
        Activations some = new Activations();
        Dropout dropout = new Dropout(0.1, 0.2, 0.3, 7, 11, 5);
        whole.use(dropout);
        some.use(dropout);
        wantedRowsAgree(NumericalGradientTest.adapted(model), false, whole, some);
        wantedRowsAgree(NumericalGradientTest.adapted(model), true, whole, some);
    }

    @Test
    void theLastTokenOfAPromptThatFillsTheContextAgrees() {
        int[] tokens = tokens(38, model.config().decoder().contextLength());
        Rows last = model.forward(Batch.last(model.newCache(), tokens), new Activations());
        float[] all = logits(model, tokens);
        int row = tokens.length - 1;
        assertSameBits(model.head().logits(last, 0), Arrays.copyOfRange(all, row * VOCABULARY, (row + 1) * VOCABULARY));
    }

    /** A sequence that began earlier, a single token, and two new sequences; then all continue from their caches. */
    private static void wantedRowsAgree(CausalLM model, boolean many, Activations whole, Activations some) {
        List<int[]> sequences = List.of(tokens(31, 77), tokens(32, 1), tokens(33, 66), tokens(39, 12));
        List<KVCache> expected = new ArrayList<>();
        List<KVCache> actual = new ArrayList<>();
        for (int[] ignored : sequences) {
            expected.add(model.newCache());
            actual.add(model.newCache());
        }
        model.forward(Batch.of(expected.getFirst(), tokens(34, 9)), whole);
        model.forward(new Batch(List.of(new Batch.Chunk(actual.getFirst(), tokens(34, 9), 0))), some);

        int[] wanted = {many ? 70 : 20, 1, 0, 1};
        Rows all = model.forward(batch(expected, sequences), whole);
        List<Batch.Chunk> chunks = new ArrayList<>();
        for (int chunk = 0; chunk < wanted.length; chunk++) {
            chunks.add(new Batch.Chunk(actual.get(chunk), sequences.get(chunk), wanted[chunk]));
        }
        Rows chosen = model.forward(new Batch(chunks), some);
        assertThat(chosen.count()).isEqualTo(many ? 72 : 22);
        int row = 0;
        int end = 0;
        for (int chunk = 0; chunk < wanted.length; chunk++) {
            end += sequences.get(chunk).length;
            for (int r = end - wanted[chunk]; r < end; r++, row++) {
                assertSameBits(model.head().logits(chosen, row), model.head().logits(all, r));
            }
            assertThat(actual.get(chunk).length()).isEqualTo(expected.get(chunk).length());
        }
        List<int[]> next = List.of(tokens(35, 3), tokens(36, 4), tokens(37, 5), tokens(40, 1));
        Batch rest = batch(expected, next);
        assertSameBits(
                allLogits(model, rest, model.forward(batch(actual, next), some)),
                allLogits(model, rest, model.forward(rest, whole)));
    }

    private static Batch batch(List<KVCache> caches, List<int[]> tokens) {
        List<Batch.Chunk> chunks = new ArrayList<>();
        for (int i = 0; i < caches.size(); i++) {
            chunks.add(new Batch.Chunk(caches.get(i), tokens.get(i)));
        }
        return new Batch(chunks);
    }

    static float[] logits(CausalLM model, int[] tokens) {
        Batch batch = Batch.of(model.newCache(), tokens);
        return allLogits(model, batch, model.forward(batch, new Activations()));
    }

    private static float[] allLogits(CausalLM model, Batch batch, Rows hidden) {
        float[] logits = new float[batch.rows() * VOCABULARY];
        model.head().logits(hidden, Rows.of(logits, VOCABULARY, batch.rows()));
        return logits;
    }

    static int[] tokens(long seed, int count) {
        return new Random(seed).ints(count, 0, VOCABULARY).toArray();
    }

    private static void assertSameBits(float[] actual, float[] expected) {
        assertThat(actual.length).isEqualTo(expected.length);
        for (int i = 0; i < expected.length; i++) {
            int bits = Float.floatToRawIntBits(actual[i]);
            int expectedBits = Float.floatToRawIntBits(expected[i]);
            if (bits != expectedBits) { // as numbers, 0 and -0 would be equal
                assertThat(bits)
                        .as("row %d, token %d: %s and %s", i / VOCABULARY, i % VOCABULARY, actual[i], expected[i])
                        .isEqualTo(expectedBits);
            }
        }
    }
}
