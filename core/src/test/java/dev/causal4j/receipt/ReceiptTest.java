package dev.causal4j.receipt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.JavaProcess;
import dev.causal4j.Whole;
import dev.causal4j.compute.Compute;
import dev.causal4j.generation.FinishReason;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.RandomRequests;
import dev.causal4j.json.Json;
import dev.causal4j.json.Sha256;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Conversion;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.SmallModels;
import dev.causal4j.receipt.Receipt.Difference;
import dev.causal4j.receipt.Receipt.Verification;
import dev.causal4j.receipt.Receipt.VerificationOptions;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(300)
class ReceiptTest extends ReceiptFixture {
    private static UnaryOperator<Object> tokens(UnaryOperator<List<Integer>> change) {
        return value -> {
            List<Integer> tokens = new ArrayList<>();
            ((List<?>) value).forEach(each -> tokens.add((Integer) each));
            return change.apply(tokens);
        };
    }

    @Test
    void receiptsOfAllOptionsAreTrue() throws IOException {
        for (DType dtype : List.of(DType.F32, DType.BF16, DType.INT8, DType.INT4)) {
            LoadOptions options = LoadOptions.DEFAULT
                    .withDtype(dtype)
                    .withCached(dtype == DType.INT8 ? DType.BF16 : DType.F32)
                    .withDigests(true);
            try (CausalLM made = CausalLM.load(folder, options)) {
                for (GenerationRequest request : RandomRequests.of(Whole.or(30, 10), 0)) {
                    Receipt receipt = read(Receipt.of(made, request, generate(made, request)));
                    try (CausalLM loaded = CausalLM.load(folder, receipt.loadOptions())) {
                        assertTrue(receipt, loaded);
                    }
                }
            }
        }
    }

    /** Other kernels and numbers of threads verify what this machine made. */
    @Test
    void otherMachinesVerify() throws IOException, InterruptedException {
        Path receipts = Files.createDirectory(temporary.resolve("receipts"));
        List<GenerationRequest> requests = RandomRequests.of(Whole.or(30, 12), 0);
        for (int i = 0; i < requests.size(); i++) {
            Receipt receipt = Receipt.of(model, requests.get(i), generate(model, requests.get(i)));
            Files.write(receipts.resolve(i + ".json"), receipt.toJson());
        }
        String held = requests.size() + " of " + requests.size();
        List<List<String>> machines = new ArrayList<>(List.of(List.of("-Dcausal4j.kernels=scalar")));
        if (Whole.RUN) {
            machines.add(List.of("-Dcausal4j.kernels=vector128", JavaProcess.VECTORS));
            machines.add(List.of("-Dcausal4j.kernels=vector256", JavaProcess.VECTORS));
        }
        for (List<String> flags : machines) {
            List<String> all = new ArrayList<>(flags);
            all.add("-XX:+UseSerialGC");
            List<String> lines = JavaProcess.run(0, all, Verifying.class, folder.toString(), receipts.toString());
            assertThat(lines).contains(held + " with 1 thread", held + " with 2 threads");
        }
    }

    /** Verifies the receipts in a folder. */
    static final class Verifying {
        private Verifying() {}

        public static void main(String[] args) throws IOException {
            for (int threads = 1; threads <= 2; threads++) {
                try (Compute compute = Compute.of(threads);
                        CausalLM model = CausalLM.load(
                                Path.of(args[0]),
                                LoadOptions.DEFAULT.withDigests(true).withCompute(compute));
                        var files = Files.list(Path.of(args[1]))) {
                    int held = 0;
                    List<Path> all = files.toList();
                    for (Path file : all) {
                        held += Receipt.parse("receipt", Files.readAllBytes(file))
                                        .verify(model, KNOWN)
                                        .verified()
                                ? 1
                                : 0;
                    }
                    System.out.println(
                            held + " of " + all.size() + " with " + threads + (threads == 1 ? " thread" : " threads"));
                }
            }
            System.out.println("ran on " + Kernels.state());
        }
    }

    @Test
    void eachTamperingIsFoundAtItsPlace() throws IOException {
        Receipt receipt = read(receipt(GenerationOptions.DEFAULT
                .withSeed(7)
                .withTemperature(0.8)
                .withMaxNewTokens(40)
                .withStop(List.of("\u0001\u0002\u0003"))));
        assertTrue(receipt, model);
        String path = "output/tokens";
        int[] claimed = {0};
        Difference edited = difference(sealed(receipt, path, tokens(all -> {
            claimed[0] = all.get(20) ^ 1;
            all.set(20, claimed[0]);
            return all;
        })));
        assertThat(edited.subject()).isEqualTo("output");
        assertThat(edited.index()).hasValue(20);
        assertThat(edited.position()).hasValue(23);
        assertThat(edited.expected()).isEqualTo(claimed[0]);
        assertThat(edited.got()).isEqualTo(claimed[0] ^ 1);

        assertIndex(sealed(receipt, path, tokens(all -> without(all, 10))), 10);
        assertIndex(sealed(receipt, path, tokens(all -> with(all, 12, all.get(12) ^ 1))), 12);
        assertIndex(sealed(receipt, path, tokens(all -> swapped(all, firstDifference(all)))), -1);
        assertIndex(sealed(receipt, path, tokens(all -> all.subList(0, 30))), 30); // more follows
        assertIndex(sealed(receipt, path, tokens(all -> with(all, all.size(), 5))), 40); // it had ended
        assertThat(difference(sealed(receipt, "output/finish_reason", _ -> "eos"))
                        .subject())
                .isEqualTo("finish_reason");
        assertThat(difference(sealed(receipt, "output/text_sha256", _ -> "0".repeat(64)))
                        .subject())
                .isEqualTo("text");
        assertIndex(sealed(receipt, "seed", _ -> "8"), -1);
        assertIndex(sealed(receipt, "options/temperature", _ -> "1.6"), -1);
        assertIndex(sealed(receipt, "prompt/tokens", tokens(all -> with(all, 0, 9))), -1);
        assertThat(difference(sealed(receipt, "options/max_new_tokens", _ -> 41))
                        .index())
                .hasValue(40);

        assertThat(difference(changed(receipt.json(), List.of("seed"), _ -> "8"))
                        .subject())
                .isEqualTo("digest");
        assertThat(difference(sealed(receipt, "arithmetic", _ -> 2)))
                .returns("arithmetic", Difference::subject)
                .returns("2", Difference::expected)
                .returns("" + CausalLM.ARITHMETIC, Difference::got);
        assertThat(difference(sealed(receipt, "tokenizer/sha256", _ -> "0")).subject())
                .isEqualTo("tokenizer");
        assertThat(difference(sealed(receipt, "model/dtype", _ -> "bf16")).subject())
                .isEqualTo("model");
        assertThat(difference(sealed(receipt, "model/kv_dtype", _ -> "bf16")).subject())
                .isEqualTo("model");
    }

    private static List<Integer> without(List<Integer> tokens, int index) {
        List<Integer> others = new ArrayList<>(tokens.subList(0, index));
        others.addAll(tokens.subList(index + 1, tokens.size()));
        return others;
    }

    private static List<Integer> with(List<Integer> tokens, int index, int token) {
        tokens.add(index, token);
        return tokens;
    }

    private static int firstDifference(List<Integer> tokens) {
        int i = 0;
        while (tokens.get(i).equals(tokens.get(i + 1))) {
            i++;
        }
        return i;
    }

    private static List<Integer> swapped(List<Integer> tokens, int i) {
        return with(without(tokens, i), i + 1, tokens.get(i));
    }

    /** @param index of the output token that differs; -1 for any */
    private void assertIndex(Map<String, ?> json, int index) throws IOException {
        Difference difference = difference(json);
        assertThat(difference.subject()).isEqualTo("output");
        if (index >= 0) {
            assertThat(difference.index()).hasValue(index);
        }
    }

    /** One bit of a file is named, and no token is computed. */
    @Test
    void anotherFileIsNamed() throws IOException {
        Receipt receipt = receipt(GenerationOptions.DEFAULT);
        for (String name : List.of("config.json", "model.safetensors", "tokenizer.json")) {
            Path other = temporary.resolve("other-" + name);
            Files.createDirectory(other);
            for (String each : List.of("config.json", "model.safetensors", "tokenizer.json")) {
                byte[] bytes = Files.readAllBytes(folder.resolve(each));
                Files.write(other.resolve(each), each.equals(name) ? oneBitOff(name, bytes) : bytes);
            }
            try (CausalLM changed = CausalLM.load(other, receipt.loadOptions())) {
                Verification verification = receipt.verify(changed);
                Difference difference = verification.difference().orElseThrow();
                assertThat(verification.checked()).isZero();
                assertThat(difference.subject()).isEqualTo(name.equals("tokenizer.json") ? "tokenizer" : "model");
                assertThat((String) difference.expected()).contains(name.equals("tokenizer.json") ? "sha256" : name);
            }
        }
    }

    private static byte[] oneBitOff(String name, byte[] bytes) {
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        return switch (name) {
            case "model.safetensors" -> {
                bytes[bytes.length - 1] ^= 1;
                yield bytes;
            }
            case "config.json" -> text.replace("{\"", "{ \"").getBytes(StandardCharsets.ISO_8859_1);
            default ->
                text.replace("\"a\"", "\"\u00e0\"".replace("\u00e0", "\\u2603")).getBytes(StandardCharsets.ISO_8859_1);
        };
    }

    @Test
    void aConvertedCopyVerifiesByItsTokens() throws IOException {
        Receipt receipt = receipt(GenerationOptions.DEFAULT);
        Path panels = temporary.resolve("panels");
        Conversion.of(folder).toPanels(panels);
        try (CausalLM copy = CausalLM.load(panels, receipt.loadOptions())) {
            assertThat(receipt.verify(copy).difference().orElseThrow().subject())
                    .isEqualTo("model");
            assertThat(receipt.verify(copy, new VerificationOptions(null, null, null, true))
                            .verified())
                    .isTrue();
        }
    }

    @Test
    void aPrivatePromptIsBroughtByTheVerifier() throws IOException {
        Receipt receipt = read(receipt(GenerationOptions.DEFAULT).withPrivatePrompt());
        assertThat(new String(receipt.toJson(), StandardCharsets.UTF_8)).doesNotContain("[84,104,101]");
        assertThat(receipt.verify(model).difference().orElseThrow().subject()).isEqualTo("prompt");
        assertThat(receipt.verify(model, new VerificationOptions(PROMPT, null, null, false))
                        .verified())
                .isTrue();
        Verification other =
                receipt.verify(model, new VerificationOptions(new int[] {84, 104, 102}, null, null, false));
        assertThat(other.difference().orElseThrow().subject()).isEqualTo("prompt");
        assertThat(receipt).isNotEqualTo(receipt(GenerationOptions.DEFAULT).withPrivatePrompt()); // salted
    }

    @Test
    void aSignatureIsOfTheWholeStatement() throws IOException, NoSuchAlgorithmException {
        KeyPair pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
        KeyPair other = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
        Receipt receipt = receipt(GenerationOptions.DEFAULT).withNonce("from the client");
        Receipt signed = read(receipt.signed(pair.getPrivate()));
        assertThat(signed.isSigned()).isTrue();
        assertThat(signed.verify(model, new VerificationOptions(null, pair.getPublic(), null, false))
                        .verified())
                .isTrue();
        assertTrue(signed, model);
        for (Receipt wrong : List.of(
                receipt,
                receipt.signed(other.getPrivate()),
                Receipt.parse("x", Json.write(sealed(signed, "nonce", _ -> "another"))))) {
            Verification verification =
                    wrong.verify(model, new VerificationOptions(null, pair.getPublic(), null, false));
            assertThat(verification.difference().orElseThrow().subject()).isEqualTo("signature");
        }
    }

    @Test
    void endsFromOutsideAreTrueUpToThere() throws IOException {
        GenerationRequest request = new GenerationRequest(PROMPT, GenerationOptions.DEFAULT.withSeed(3));
        int[] count = {0};
        Generation cut = new Generator(model)
                .generate(List.of(request), _ -> ++count[0] < 9)
                .getFirst();
        assertThat(cut.finishReason()).isEqualTo(FinishReason.CANCELLED);
        Receipt receipt = read(Receipt.of(model, request, cut));
        assertTrue(receipt, model);
        assertThat(difference(sealed(receipt, "output/finish_reason", _ -> "length"))
                        .index())
                .hasValue(9);
        GenerationRequest late = new GenerationRequest(
                PROMPT, GenerationOptions.DEFAULT.withMaxNewTokens(390).withDeadline(Duration.ofMillis(1)));
        assertTrue(read(Receipt.of(model, late, generate(model, late))), model);
    }

    /** A text that nobody reads would be a statement that nobody checks. */
    @Test
    void unknownNamesAreRefused() throws IOException {
        Receipt receipt = receipt(GenerationOptions.DEFAULT.withMaxNewTokens(4));
        for (String section : List.of("model", "tokenizer", "options", "prompt", "output")) {
            Map<String, Object> json = sealed(receipt, section + "/text", _ -> "more");
            assertThat(difference(json).subject()).isEqualTo("format");
        }
        Map<String, Object> file = new LinkedHashMap<>(Json.object("name", "x", "size", 1, "sha256", "0", "of", "y"));
        assertThat(difference(sealed(receipt, "model/files", _ -> List.of(file)))
                        .subject())
                .isEqualTo("format");
        file.remove("of");
        assertThat(difference(sealed(receipt, "model/files", _ -> List.of(file)))
                        .subject())
                .isEqualTo("model");
    }

    @Test
    void anEmptyTextHasItsPrompt() throws IOException {
        GenerationRequest request = new GenerationRequest(PROMPT, GenerationOptions.DEFAULT);
        Generation none =
                new Generator(model).generate(List.of(request), _ -> false).getFirst();
        Receipt receipt = Receipt.of(model, request, none);
        Map<String, Object> json = changed(
                receipt.json(),
                List.of("output"),
                _ -> Json.object("tokens", List.of(), "finish_reason", "deadline", "text_sha256", Sha256.hex("")));
        Receipt empty = Receipt.parse("receipt", Json.write(json)).withPrivatePrompt();
        assertThat(empty.verify(model, new VerificationOptions(PROMPT, null, null, false))
                        .verified())
                .isTrue();
        Verification other = empty.verify(model, new VerificationOptions(new int[] {1}, null, null, false));
        assertThat(other.difference().orElseThrow().subject()).isEqualTo("prompt");
    }

    @Test
    void anAdapterIsAPartOfTheStatement() throws IOException {
        Path adapter = Files.createDirectory(temporary.resolve("adapter"));
        SmallModels.adapted(model, _ -> true).saveAdapter(adapter);
        GenerationRequest request = new GenerationRequest(PROMPT, GenerationOptions.DEFAULT);
        try (CausalLM beside = model.withAdapter(adapter);
                CausalLM merged = CausalLM.load(
                        folder, LoadOptions.DEFAULT.withMerged(adapter).withDigests(true));
                CausalLM both = merged.withAdapter(adapter)) {
            Receipt receipt = read(Receipt.of(beside, request, generate(beside, request)));
            assertTrue(receipt, beside);
            assertThat(receipt.verify(model).difference().orElseThrow().subject())
                    .isEqualTo("model");
            assertThat(receipt.verify(merged).difference().orElseThrow().subject())
                    .isEqualTo("model");
            assertThat(both.digests()).isEmpty();
        }
    }

    @Test
    void whatNoReceiptCanStateIsRefusedBefore() throws IOException {
        GenerationOptions rule = GenerationOptions.DEFAULT.withRule((_, _) -> {});
        GenerationOptions own = GenerationOptions.DEFAULT.withConstraint(_ -> {
            throw new IllegalStateException();
        });
        try (CausalLM plain = CausalLM.load(folder)) {
            assertThatThrownBy(() -> Receipt.check(plain, GenerationOptions.DEFAULT))
                    .hasMessageContaining("withDigests");
        }
        assertThatThrownBy(() -> Receipt.check(model, rule)).hasMessageContaining("rules of your own");
        assertThatThrownBy(() -> Receipt.check(model, own)).hasMessageContaining("constraint");
        Receipt.check(model, GenerationOptions.DEFAULT);
    }
}
