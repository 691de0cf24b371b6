package dev.causal4j.model;

import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/**
 * A fixture that PyTorch computed in float64: a small checkpoint and its results.
 *
 * @param folder the checkpoint in Hugging Face layout
 * @param targets [B, T] the token that each position must predict, -100 where ignored
 * @param nll [B · T] -ln p of the targets, NaN where ignored
 * @param ranks [B · T] of the targets, -1 where ignored
 * @param loss the mean of nll
 * @param trainingLosses the losses of ten steps of AdamW
 * @param gradientNorms the norms of the same steps, before clipping
 * @param expected hidden [B, T, D] after the last norm, logits [B, T, V], and gradients of the loss
 */
record Golden(
        Path folder,
        List<int[]> tokens,
        int[] targets,
        double[] nll,
        int[] ranks,
        double loss,
        int[] greedyPrompt,
        int[] greedy,
        double[] trainingLosses,
        double[] gradientNorms,
        TensorStore expected) {
    static Golden load(String name) throws IOException {
        Path folder = folder(name);
        JsonNode json = new ObjectMapper().readTree(Files.readAllBytes(folder.resolve("golden.json")));
        TensorStore expected = SafeTensors.open(folder.resolve("golden.safetensors"), Arena.ofAuto());
        List<int[]> tokens =
                json.get("tokens").valueStream().map(Golden::integers).toList();
        return new Golden(
                folder,
                tokens,
                all(json.get("targets")).mapToInt(JsonNode::intValue).toArray(),
                all(json.get("nll"))
                        .mapToDouble(x -> x.isNull() ? Double.NaN : x.doubleValue())
                        .toArray(),
                all(json.get("ranks"))
                        .mapToInt(x -> x.isNull() ? -1 : x.intValue())
                        .toArray(),
                json.get("loss").doubleValue(),
                integers(json.get("greedy").get("prompt")),
                integers(json.get("greedy").get("continuation")),
                numbers(json.at("/training/losses")),
                numbers(json.at("/training/grad_norms_before_clipping")),
                expected);
    }

    TensorView hidden() throws IOException {
        return expected.tensor("hidden");
    }

    TensorView logits() throws IOException {
        return expected.tensor("logits");
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

    /** The gradient of the loss by a parameter. */
    TensorView gradient(String parameter) throws IOException {
        return expected.tensor("grad." + parameter);
    }

    private static Stream<JsonNode> all(JsonNode rows) {
        return rows.valueStream().flatMap(JsonNode::valueStream);
    }

    private static int[] integers(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::intValue).toArray();
    }
}
