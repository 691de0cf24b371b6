package dev.causal4j.model;

import dev.causal4j.format.SafeTensors;
import dev.causal4j.tensor.TensorView;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/**
 * A fixture that PyTorch computed in float64: a small checkpoint and what it must give.
 *
 * @param folder the checkpoint in Hugging Face layout
 * @param targets [B, T] what each position must predict, -100 where it is ignored
 * @param trainingLosses of ten steps of AdamW
 * @param gradientNorms of the same, before clipping
 * @param expected hidden [B, T, D] after the last norm, logits [B, T, V], and gradients of the loss
 */
record Golden(
        Path folder,
        List<int[]> tokens,
        List<int[]> targets,
        double loss,
        int[] greedyPrompt,
        int[] greedy,
        double[] trainingLosses,
        double[] gradientNorms,
        SafeTensors expected) {
    static Golden load(String name) throws IOException {
        Path folder = folder(name);
        JsonNode json = new ObjectMapper().readTree(Files.readAllBytes(folder.resolve("golden.json")));
        SafeTensors expected = SafeTensors.open(folder.resolve("golden.safetensors"));
        List<int[]> tokens =
                json.get("tokens").valueStream().map(Golden::integers).toList();
        JsonNode training = json.get("training");
        return new Golden(
                folder,
                tokens,
                json.get("targets").valueStream().map(Golden::integers).toList(),
                json.get("loss").doubleValue(),
                integers(json.get("greedy").get("prompt")),
                integers(json.get("greedy").get("continuation")),
                numbers(training.get("losses")),
                numbers(training.get("grad_norms_before_clipping")),
                expected);
    }

    TensorView hidden() throws IOException {
        return expected.tensor("hidden");
    }

    TensorView logits() throws IOException {
        return expected.tensor("logits");
    }

    /** All targets, in the order of the rows of a batch. */
    int[] allTargets() {
        return targets.stream().flatMapToInt(Arrays::stream).toArray();
    }

    private static double[] numbers(JsonNode array) {
        return array.valueStream().mapToDouble(JsonNode::doubleValue).toArray();
    }

    static Path folder(String name) {
        try {
            return Path.of(Objects.requireNonNull(Golden.class.getResource("/dev/causal4j/golden/" + name))
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    private static int[] integers(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::intValue).toArray();
    }
}
