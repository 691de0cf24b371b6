package dev.causal4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Files of the repository that tests of the program use. */
final class Repository {
    /** Whether the tests are those of {@code .ci/run}; {@code ./check} has a part of them. */
    static final boolean IS_WHOLE = Boolean.getBoolean("causal4j.whole");

    private Repository() {}

    /** The folder with the launcher. */
    static Path root() {
        Path folder = Path.of("").toAbsolutePath();
        while (!Files.exists(folder.resolve("scripts/jdk.sh"))) {
            folder = folder.getParent();
            if (folder == null) {
                throw new AssertionError("not inside the repository");
            }
        }
        return folder;
    }

    /** Results of PyTorch and Hugging Face's tokenizer for the embedded model. */
    static JsonNode austen() throws IOException {
        Path file = root().resolve("model-austen/src/test/resources/dev/causal4j/austen/expected.json");
        return JsonMapper.shared().readTree(Files.readAllBytes(file));
    }

    /** The document of {@code inspect} without the fields about files. */
    static JsonNode withoutFiles(JsonNode facts) {
        return ((ObjectNode) facts)
                .remove(List.of(
                        "format",
                        "weight_files",
                        "file_bytes",
                        "memory_bytes",
                        "mapped",
                        "types",
                        "tokenizer_kind",
                        "chat_template",
                        "adapters"));
    }

    static int[] integers(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::intValue).toArray();
    }

    /** Copies a small model without tokenizer into a folder: 97 tokens, a context of 32, BOS 96, all tensors f32. */
    static Path copyModel(Path folder) throws IOException {
        Path model = root().resolve("core/src/test/resources/dev/causal4j/golden/gpt2-tied");
        for (String file : List.of("config.json", "model.safetensors")) {
            Files.copy(model.resolve(file), folder.resolve(file));
        }
        return folder;
    }
}
