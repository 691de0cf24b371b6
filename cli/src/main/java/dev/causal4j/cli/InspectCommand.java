package dev.causal4j.cli;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.format.TensorStore;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.GenerationDefaults;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.ModelConfig.Rope;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Shows a model's sizes, parameters and memory, and what tying saves, without reading weights. */
@Command(name = "inspect", description = "Shows a model's files, sizes, parameters and memory, and what tying saves.")
final class InspectCommand extends Subcommand {
    @Mixin
    private ModelOptions options;

    @Mixin
    private ShapeOptions shape;

    @Override
    public Integer call() throws IOException {
        ShapeOptions.Model model = shape.open(options);
        ObjectNode facts = facts(model);
        if (model.checkpoint().isPresent()) {
            addFiles(facts, model.checkpoint().get().tensors());
            addOthers(facts, model.checkpoint().get());
        }
        StringBuilder lines = new StringBuilder();
        facts.properties().forEach(fact -> {
            JsonNode all = fact.getValue();
            for (JsonNode value : all.path(0).isObject() ? all : List.of(all)) {
                String name = String.format("%-26s ", fact.getKey().replace('_', ' '));
                Help.fill(lines.append(name), show(fact.getKey(), value), name.length());
            }
        });
        print(facts, lines.toString().stripTrailing());
        return 0;
    }

    /** How the weights are stored. */
    private static void addFiles(ObjectNode facts, TensorStore store) throws IOException {
        Map<String, ObjectNode> types = new TreeMap<>();
        for (TensorStore.Stored each : store.tensors().values()) {
            ObjectNode type =
                    types.computeIfAbsent(each.type(), name -> Json.object().put("type", name));
            type.put("tensors", type.path("tensors").asInt(0) + 1)
                    .put("bytes", type.path("bytes").asLong(0) + each.data().byteSize());
        }
        boolean panels = store.metadata().containsKey("causal4j.layout");
        String format = panels ? "panels" : store.subject().endsWith(".gguf") ? "gguf" : "safetensors";
        facts.put("format", format).put("weight_files", files(store).size()).put("file_bytes", bytes(store));
        types.values().forEach(facts.putArray("types")::add);
    }

    /** The files of weights; the embedded model's is a resource. */
    private static List<Path> files(TensorStore store) {
        return store.tensors().values().stream()
                .map(each -> Path.of(each.file()))
                .distinct()
                .filter(Files::exists)
                .toList();
    }

    /** Bytes of the files of weights. */
    static long bytes(TensorStore store) throws IOException {
        long bytes = 0;
        for (Path file : files(store)) {
            bytes += Files.size(file);
        }
        return bytes;
    }

    /** What lies beside the weights. */
    private void addOthers(ObjectNode facts, Checkpoint checkpoint) throws IOException {
        facts.put("tokenizer_kind", checkpoint.tokenizer().map(Tokenizer::kind).orElse(null));
        ArrayNode adapters = facts.putNull("chat_template").putArray("adapters");
        if (options.folder().isEmpty()) {
            return;
        }
        Path model = options.folder().get();
        if (ChatTemplate.sources(model).containsKey("default")) {
            boolean alone = Files.exists(model.resolve("chat_template.jinja"));
            String other = Files.isDirectory(model) ? "tokenizer_config.json" : "tokenizer.chat_template";
            facts.put("chat_template", alone ? "chat_template.jinja" : other);
        }
        if (Files.isDirectory(model)) {
            try (Stream<Path> inside = Files.list(model)) {
                inside.filter(each -> Files.exists(each.resolve("adapter_config.json")))
                        .map(each -> each.getFileName().toString())
                        .sorted()
                        .forEach(adapters::add);
            }
        }
    }

    private static ObjectNode facts(ShapeOptions.Model model) {
        ModelConfig config = model.config();
        BlockConfig block = config.decoder().blocks().getFirst();
        int contextLength = config.decoder().contextLength();
        long saved = config.tied() ? config.embedding().size() : 0;
        boolean tokenizer = model.checkpoint().flatMap(Checkpoint::tokenizer).isPresent();
        Integer bos = config.bos().isPresent() ? config.bos().getAsInt() : null;
        ObjectNode facts = Json.object()
                .put("architecture", config.family().type())
                .put("parameters", config.parameters())
                .put("tied", config.tied())
                .put("parameters_saved_by_tying", saved)
                .put("vocabulary_size", config.vocabularySize())
                .put("context_length", contextLength)
                .put("hidden_size", config.decoder().hiddenSize())
                .put("layers", config.decoder().blocks().size())
                .put("heads", block.attention().heads())
                .put("kv_heads", block.attention().kvHeads())
                .put("head_size", block.attention().headSize())
                .put("inner_size", block.feedForward().each().innerSize());
        Map<ObjectNode, Integer> kinds = new LinkedHashMap<>();
        config.decoder().blocks().forEach(each -> kinds.merge(kind(config, each), 1, Integer::sum));
        ArrayNode all = facts.putArray("layer_kinds");
        kinds.forEach((kind, count) -> all.addObject().put("layers", count).setAll(kind));
        ObjectNode weights = facts.putObject("weight_bytes");
        Stream.of(DType.values()).forEach(each -> weights.put(each.label(), config.weightBytes(each)));
        facts.put("cache_bytes_per_token", config.cacheBytes(1))
                .put("cache_bytes", config.cacheBytes(contextLength))
                .put("dtype", model.dtype().label())
                .put("tokenizer", tokenizer)
                .put("bos_token_id", bos);
        config.eos().stream().sorted().forEach(facts.putArray("eos_token_ids")::add);
        GenerationDefaults defaults = config.generation();
        if (!defaults.equals(GenerationDefaults.NONE)) {
            facts.putObject("generation")
                    .put("temperature", defaults.temperature())
                    .put("top_k", defaults.topK())
                    .put("top_p", defaults.topP())
                    .put("min_p", defaults.minP())
                    .put("typical_p", defaults.typicalP())
                    .put("repetition_penalty", defaults.repetitionPenalty())
                    .put("no_repeat_ngram_size", defaults.noRepeatNgramSize());
        }
        return facts;
    }

    /** What layers may differ in. */
    private static ObjectNode kind(ModelConfig config, BlockConfig block) {
        int window = block.attention().window();
        var rotation = block.attention().rope();
        Rope rope = rotation == null ? null : config.ropes().get(rotation);
        ObjectNode kind = Json.object()
                .put("window", window > 0 ? window : null)
                .put("positions", rope != null ? "rotary" : config.decoder().learnedPositions() ? "learned" : "none")
                .putNull("rope")
                .putNull("experts")
                .put("inner_size", block.feedForward().each().innerSize());
        if (rope != null) {
            kind.putObject("rope")
                    .put("theta", rope.theta())
                    .put("scaling", rope.scaling())
                    .put("factor", rope.factor());
        }
        if (block.feedForward() instanceof Experts experts) {
            kind.putObject("experts").put("count", experts.count()).put("chosen", experts.chosen());
        }
        return kind;
    }

    private static String show(String name, JsonNode value) {
        if (value.isObject()) {
            return value.properties().stream()
                    .filter(inner -> !inner.getValue().isNull())
                    .map(inner -> inner.getKey().replace('_', ' ') + " " + show(inner.getKey(), inner.getValue()))
                    .collect(Collectors.joining("; "));
        }
        if (value.isNull() || value.isArray()) {
            return value.isEmpty()
                    ? "none"
                    : value.valueStream().map(JsonNode::asString).collect(Collectors.joining(", "));
        }
        boolean count = value.isIntegralNumber() && !name.endsWith("_id");
        return count ? String.format("%,d", value.longValue()) : value.asString(value.toString());
    }
}
