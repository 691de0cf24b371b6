package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.json.Sha256;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Holds the number of the arithmetic to bits: receipts and stored prefixes rely on it. */
class ArithmeticTest {
    private static final List<String> MODELS =
            List.of("gpt2", "llama-mix-q4_k_m", "gemma3", "gpt-oss", "granite4-moe", "qwen3_5_moe");

    private static final int TOKENS = 70; // more than a page

    @Test
    void eachNumberHasBitsOfItsOwn() throws IOException {
        List<String> lines = new ArrayList<>();
        for (String name : MODELS) {
            Path file = Golden.folder("gguf").resolve(name + ".gguf");
            for (DType dtype : Stream.concat(Stream.of((DType) null), Arrays.stream(DType.values()))
                    .toList()) {
                LoadOptions options = LoadOptions.DEFAULT
                        .withDtype(dtype)
                        .withCached(dtype == DType.F16 ? DType.BF16 : DType.F32); // both formats of pages
                try (CausalLM model = CausalLM.load(file, options)) {
                    lines.add(
                            name + " " + (dtype == null ? "stored" : dtype.label()) + " " + Sha256.hex(logits(model)));
                }
            }
        }
        String file = "arithmetic-" + CausalLM.ARITHMETIC + ".txt";
        String known = new String(
                Objects.requireNonNull(ArithmeticTest.class.getResourceAsStream(file))
                        .readAllBytes(),
                StandardCharsets.UTF_8);
        Path written = Files.write(Files.createTempFile("arithmetic", ".txt"), lines);
        assertThat(lines)
                .as(
                        "A logit has moved. If it must, raise CausalLM.ARITHMETIC, name the change in CHANGELOG.md, and"
                                + " add %s as a resource with a name of the new number.",
                        written)
                .isEqualTo(known.lines().toList());
        Files.delete(written);
    }

    private static byte[] logits(CausalLM model) {
        int[] tokens = new int[Math.min(TOKENS, model.contextLength())];
        Arrays.setAll(tokens, i -> (int) (i * 2654435761L % model.head().vocabularySize()));
        float[] logits = Logits.of(model, tokens);
        ByteBuffer bytes = ByteBuffer.allocate(4 * logits.length);
        bytes.asFloatBuffer().put(logits);
        return bytes.array();
    }
}
