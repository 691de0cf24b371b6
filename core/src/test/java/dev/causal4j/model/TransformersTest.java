package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/**
 * Hugging Face's library reads the folders that are written, with the same logits and ids. Skipped where {@code
 * python3} has no transformers with PyTorch.
 */
class TransformersTest {
    private static final String TEXT = "It's 1234 in  na\u00efve\n";

    private static final String SCRIPT = """
            import json, sys, torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
            for folder in sys.argv[3:]:
                model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").float().eval()
                with torch.no_grad():
                    logits = model(torch.tensor([json.loads(sys.argv[1])])).logits.flatten().tolist()
                ids = AutoTokenizer.from_pretrained(folder)(sys.argv[2]).input_ids if "gguf" in folder else None
                print(json.dumps({"logits": logits, "ids": ids}))
            """;

    @TempDir
    Path folder;

    private static String python(String... arguments) throws IOException, InterruptedException {
        List<String> command = Stream.concat(Stream.of("python3", "-c"), Arrays.stream(arguments))
                .toList();
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return process.waitFor() == 0 ? out : "";
    }

    private static boolean hasTransformers() throws InterruptedException {
        try {
            return python("import torch, transformers; print(1)").startsWith("1");
        } catch (IOException e) {
            return false; // no Python
        }
    }

    @Test
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void transformersGiveTheSameLogitsAndIds() throws IOException, InterruptedException {
        assumeTrue(hasTransformers());
        List<Path> sources = new ArrayList<>();
        HuggingFaceFilesTest.fixtures().stream()
                .filter(name -> !name.equals("olmo3")) // its scaling differs between releases
                .forEach(name -> sources.add(Golden.folder(name)));
        Path gguf = Golden.folder("gguf");
        List.of("gpt2", "gemma2", "gemma3", "llama-rope3", "llama-q4_k", "phi3", "phi3-partial", "qwen3moe")
                .forEach(name -> sources.add(gguf.resolve(name + ".gguf")));
        List<String> arguments = new ArrayList<>(List.of(SCRIPT, Arrays.toString(HuggingFaceFilesTest.TOKENS), TEXT));
        LoadOptions f32 = LoadOptions.DEFAULT.withDtype(DType.F32);
        for (Path source : sources) {
            Path out = folder.resolve(source.getFileName().toString());
            Conversion.of(source).withOptions(f32).withShardBytes(30_000).toHuggingFace(out);
            arguments.add(out.toString());
        }
        List<String> lines = python(arguments.toArray(String[]::new)).lines().toList();
        assertThat(lines).hasSameSizeAs(sources);
        for (int i = 0; i < lines.size(); i++) {
            JsonNode read = new ObjectMapper().readTree(lines.get(i));
            try (CausalLM model = CausalLM.load(Path.of(arguments.get(i + 3)))) {
                float[] logits = Logits.of(model, HuggingFaceFilesTest.TOKENS);
                for (int j = 0; j < logits.length; j++) {
                    double other = read.get("logits").get(j).doubleValue();
                    assertThat(other).as("%s %d", model.name(), j).isCloseTo(logits[j], within(1e-3));
                }
                if (Files.isRegularFile(sources.get(i))) {
                    int[] ids = read.get("ids")
                            .valueStream()
                            .mapToInt(JsonNode::intValue)
                            .toArray();
                    assertThat(ids)
                            .isEqualTo(model.requireTokenizer()
                                    .withPrefix(model.requireTokenizer().encode(TEXT)));
                }
            }
        }
    }
}
