package dev.causal4j.receipt;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.RandomRequests;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.json.Json;
import dev.causal4j.json.Sha256;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.SmallModels;
import dev.causal4j.receipt.Receipt.Difference;
import dev.causal4j.receipt.Receipt.Verification;
import dev.causal4j.receipt.Receipt.VerificationOptions;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A small model with digests, its receipts, and receipts that somebody changed. */
abstract class ReceiptFixture {
    static final VerificationOptions KNOWN = new VerificationOptions(null, null, RandomRequests.MARK, false);

    static final int[] PROMPT = {84, 104, 101};

    @TempDir
    Path temporary;

    Path folder;
    CausalLM model;

    @BeforeEach
    void load() throws IOException {
        folder = Files.createDirectory(temporary.resolve("model"));
        try (CausalLM made =
                CausalLM.create(SmallModels.gpt2(301, 400, 40, 2, 4), 5, DType.F32, RandomRequests.bytes())) {
            made.save(folder, DType.F32);
        }
        model = CausalLM.load(folder, LoadOptions.DEFAULT.withDigests(true));
    }

    @AfterEach
    void close() {
        model.close();
    }

    static Generation generate(CausalLM model, GenerationRequest request) {
        return new Generator(model)
                .generate(List.of(request), TokenListener.NONE)
                .getFirst();
    }

    Receipt receipt(GenerationOptions options) {
        GenerationRequest request = new GenerationRequest(PROMPT, options);
        return Receipt.of(model, request, generate(model, request));
    }

    static Receipt read(Receipt receipt) throws IOException {
        return Receipt.parse("receipt", receipt.toJson());
    }

    static void assertTrue(Receipt receipt, CausalLM model) {
        Verification verification = receipt.verify(model, KNOWN);
        assertThat(verification.difference()).isEmpty();
        assertThat(verification.verified()).isTrue();
    }

    Difference difference(Map<String, ?> json) throws IOException {
        Verification verification = Receipt.parse("receipt", Json.write(json)).verify(model);
        assertThat(verification.verified()).isFalse();
        return verification.difference().orElseThrow();
    }

    /** The statement with another value, and the digest that belongs to it. */
    static Map<String, Object> sealed(Receipt receipt, String path, UnaryOperator<Object> change) {
        Map<String, Object> json = changed(receipt.json(), List.of(path.split("/")), change);
        json.put("digest", "sha256:" + Sha256.hex(CanonicalJson.of(unsealed(json))));
        return json;
    }

    static Map<String, Object> unsealed(Map<String, Object> json) {
        Map<String, Object> stated = new LinkedHashMap<>(json);
        stated.keySet().removeAll(Set.of("digest", "signature"));
        return stated;
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> changed(Map<String, ?> json, List<String> path, UnaryOperator<Object> change) {
        Map<String, Object> other = new LinkedHashMap<>(json);
        other.compute(
                path.getFirst(),
                (_, value) -> path.size() == 1
                        ? change.apply(value)
                        : changed((Map<String, Object>) value, path.subList(1, path.size()), change));
        return other;
    }
}
