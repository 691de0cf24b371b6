package dev.causal4j.cli;

import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.GPT2Config;
import dev.causal4j.model.GPT2Shape;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Tells what a model is: its sizes, its parameters, and what tying saves. No weight is read. */
@Command(name = "inspect", description = "Shows what a model is: sizes, parameters, tied or not.")
final class InspectCommand implements Callable<Integer> {
    @Mixin
    private ModelOptions options;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        Checkpoint checkpoint = options.open();
        ObjectNode facts = facts(checkpoint, checkpoint.dtype(options.dtype()));
        PrintWriter out = spec.commandLine().getOut();
        if (options.json()) {
            Json.print(out, facts);
        } else {
            facts.properties()
                    .forEach(fact -> out.printf("%-26s %s%n", fact.getKey().replace('_', ' '), show(fact)));
            out.flush();
        }
        return 0;
    }

    private static ObjectNode facts(Checkpoint model, DType dtype) {
        GPT2Config config = model.config();
        GPT2Shape shape = config.shape();
        ObjectNode facts = Json.object()
                .put("architecture", "gpt2")
                .put("parameters", model.parameters())
                .put("tied", model.tied())
                .put("parameters_saved_by_tying", model.parametersSavedByTying())
                .put("vocabulary_size", config.vocabularySize())
                .put("context_length", shape.contextLength())
                .put("hidden_size", shape.hiddenSize())
                .put("layers", shape.layers())
                .put("heads", shape.heads())
                .put("head_size", shape.headSize())
                .put("inner_size", shape.innerSize())
                .put("dtype", dtype.label())
                .put("tokenizer", model.tokenizer().isPresent());
        if (config.bos().isPresent()) {
            facts.put("bos_token_id", config.bos().getAsInt());
        } else {
            facts.putNull("bos_token_id");
        }
        config.eos().stream().sorted().forEach(facts.putArray("eos_token_ids")::add);
        return facts;
    }

    private static String show(Map.Entry<String, JsonNode> fact) {
        JsonNode value = fact.getValue();
        boolean count = value.isIntegralNumber() && !fact.getKey().endsWith("_id");
        return count ? String.format(Locale.ROOT, "%,d", value.longValue()) : value.asString(value.toString());
    }
}
