package dev.causal4j.cli;

import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.MixerConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Formula;
import dev.causal4j.format.TensorStore;
import dev.causal4j.json.Json;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.GenerationDefaults;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.LongSummaryStatistics;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows a model's sizes, parameters and memory, and what tying saves; reads weights for facts about the head alone. */
@Command(name = "inspect", description = "Shows a model's files, sizes, parameters and memory, and what tying saves.")
final class InspectCommand extends Subcommand {
    @Mixin
    private ModelOptions options;

    @Mixin
    private ShapeOptions shape;

    @Option(
            names = "--head",
            description =
                    "Read the weights of the vocabulary: norms of its rows, how alike they are, and tokens that look"
                            + " untrained.")
    private boolean head;

    @Option(
            names = "--nearest",
            paramLabel = "TOKEN",
            description = "With --head: the tokens whose rows have the largest cosine with this id's.")
    private @Nullable Integer nearest;

    @Override
    public Integer call() throws IOException {
        refuse(nearest != null && !head, "nearest: expected --head with it, got none");
        ShapeOptions.Model model = shape.open(options);
        Document facts = facts(model);
        if (head) {
            refuse(model.checkpoint().isEmpty(), "head: expected a model with weights, got a configuration");
            int last = model.config().vocabularySize() - 1;
            int id = nearest == null ? 0 : nearest;
            refuse(id < 0 || id > last, "nearest: expected a token id from 0 to " + last + ", got " + id);
            HeadFacts.add(facts, model.checkpoint().orElseThrow(), nearest);
        }
        if (model.checkpoint().isPresent()) {
            addFiles(facts, model.checkpoint().get());
            addOthers(facts, model.checkpoint().get());
        }
        StringBuilder lines = new StringBuilder();
        facts.fields().forEach((fact, all) -> {
            boolean several = all instanceof List<?> list && !list.isEmpty() && list.getFirst() instanceof Map;
            for (Object value : several ? (List<?>) all : List.of(all)) {
                String name = String.format("%-26s ", fact.replace('_', ' '));
                Help.fill(lines.append(name), show(fact, value), name.length());
            }
        });
        print(facts, lines.toString().stripTrailing());
        return 0;
    }

    /** Adds how the weights are stored, and what they take in memory. */
    private void addFiles(Document facts, Checkpoint checkpoint) throws IOException {
        TensorStore store = checkpoint.tensors();
        Map<String, LongSummaryStatistics> types = store.tensors().values().stream()
                .collect(Collectors.groupingBy(
                        TensorStore.Stored::type,
                        TreeMap::new,
                        Collectors.summarizingLong(each -> each.data().byteSize())));
        List<Map<String, Object>> listed = new ArrayList<>();
        types.forEach((type, bytes) ->
                listed.add(Json.object("type", type, "tensors", bytes.getCount(), "bytes", bytes.getSum())));
        boolean panels = store.metadata().containsKey("causal4j.layout");
        String format = panels ? "panels" : store.subject().endsWith(".gguf") ? "gguf" : "safetensors";
        facts.put("format", format)
                .put("weight_files", files(store).size())
                .put("file_bytes", bytes(store))
                .put("memory_bytes", checkpoint.weightBytes(options.options()))
                .put("mapped", panels)
                .put("types", listed);
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

    /** Adds what lies beside the weights. */
    private void addOthers(Document facts, Checkpoint checkpoint) throws IOException {
        String template = null;
        List<String> adapters = List.of();
        Path model = options.folder().orElse(null);
        if (model != null && checkpoint.templates().templates().containsKey("default")) {
            boolean alone = Files.exists(model.resolve("chat_template.jinja"));
            String other = Files.isDirectory(model) ? "tokenizer_config.json" : "tokenizer.chat_template";
            template = alone ? "chat_template.jinja" : other;
        }
        if (model != null && Files.isDirectory(model)) {
            try (Stream<Path> inside = Files.list(model)) {
                adapters = inside.filter(each -> Files.exists(each.resolve("adapter_config.json")))
                        .map(each -> each.getFileName().toString())
                        .sorted()
                        .toList();
            }
        }
        facts.put("tokenizer_kind", checkpoint.tokenizer().map(Tokenizer::kind))
                .put("chat_template", template)
                .put("adapters", adapters);
    }

    private static Document facts(ShapeOptions.Model model) {
        ModelConfig config = model.config();
        BlockConfig block = config.decoder().blocks().getFirst();
        AttentionConfig attention =
                config.decoder().attentions().stream().findFirst().orElse(null);
        int contextLength = config.decoder().contextLength();
        long saved = config.tied() ? config.embedding().size() : 0;
        boolean tokenizer = model.checkpoint().flatMap(Checkpoint::tokenizer).isPresent();
        Document weights = new Document();
        Stream.of(DType.values()).forEach(each -> weights.put(each.label(), config.weightBytes(each)));
        Document facts = new Document()
                .put("architecture", config.type())
                .put("parameters", config.parameters())
                .put("tied", config.tied())
                .put("parameters_saved_by_tying", saved)
                .put("vocabulary_size", config.vocabularySize())
                .put("context_length", contextLength)
                .put("hidden_size", config.decoder().hiddenSize())
                .put("layers", config.decoder().blocks().size())
                .put("heads", attention == null ? null : attention.heads())
                .put("kv_heads", attention == null ? null : attention.kvHeads())
                .put("head_size", attention == null ? null : attention.headSize())
                .put("inner_size", block.feedForward().each().innerSize())
                .put("layer_kinds", kinds(config))
                .put("weight_bytes", weights)
                .put("cache_bytes_per_token", config.cacheBytes(1))
                .put("cache_bytes", config.cacheBytes(contextLength));
        if (config.stateBytes() > 0) {
            facts.put("state_bytes", config.stateBytes());
        }
        facts.put("dtype", model.dtype().label())
                .put("arithmetic", model.dtype().arithmetic())
                .put("tokenizer", tokenizer)
                .put("bos_token_id", config.bos().isPresent() ? config.bos().getAsInt() : null)
                .put("eos_token_ids", config.eos().stream().sorted().toList());
        if (config.lookedUpParameters() > 0) {
            facts.put("looked_up_parameters", config.lookedUpParameters());
        }
        GenerationDefaults defaults = config.generation();
        if (!defaults.equals(GenerationDefaults.NONE)) {
            Document generation = new Document();
            defaults.numbers().forEach(generation::put);
            facts.put("generation", generation);
        }
        return facts;
    }

    /** The layers in groups of equal ones, each with its count. */
    private static List<Map<String, Object>> kinds(ModelConfig config) {
        Map<Map<String, Object>, Integer> counts = new LinkedHashMap<>();
        config.decoder().blocks().forEach(each -> counts.merge(kind(config, each), 1, Integer::sum));
        List<Map<String, Object>> kinds = new ArrayList<>();
        counts.forEach((kind, count) -> {
            Map<String, Object> counted = Json.object("layers", count);
            counted.putAll(kind);
            kinds.add(counted);
        });
        return kinds;
    }

    /** The settings in which layers may differ. */
    private static Map<String, Object> kind(ModelConfig config, BlockConfig block) {
        Document kind = switch (block.mixer()) {
            case AttentionConfig attention -> attention(config, attention);
            case MixerConfig.ShortConv conv ->
                new Document().put("mixer", "short convolution").put("kernel", conv.kernel());
            case MixerConfig.GatedDelta delta ->
                new Document()
                        .put("mixer", "gated delta net")
                        .put("heads", delta.valueHeads())
                        .put("kernel", delta.kernel());
            case MixerConfig.StateSpace space ->
                new Document()
                        .put("mixer", "state space")
                        .put("heads", space.heads())
                        .put("kernel", space.kernel());
        };
        return kind.put("experts", block.feedForward().experts().map(InspectCommand::experts))
                .put("inner_size", block.feedForward().each().innerSize())
                .fields();
    }

    private static Document attention(ModelConfig config, AttentionConfig attention) {
        int window = attention.window();
        var rotation = attention.rope();
        Formula rope = rotation == null ? null : config.ropes().get(rotation);
        Document kind = new Document()
                .put("window", window > 0 ? window : null)
                .put("positions", rope != null ? "rotary" : config.decoder().learnedPositions() ? "learned" : "none")
                .put("rope", rope == null ? null : rope(rope));
        return attention.keysOf() == AttentionConfig.OWN ? kind : kind.put("keys", "of another layer");
    }

    private static Map<String, Object> rope(Formula rope) {
        return Json.object("theta", rope.theta(), "scaling", rope.scaling(), "factor", rope.factor());
    }

    private static Map<String, Object> experts(Experts experts) {
        return Json.object("count", experts.count(), "chosen", experts.chosen());
    }

    private static String show(String name, Object value) {
        return switch (value) {
            case Map<?, ?> object ->
                object.entrySet().stream()
                        .filter(inner -> !inner.getValue().equals(Json.NULL))
                        .map(inner -> Map.entry(inner.getKey().toString(), inner.getValue()))
                        .map(inner -> inner.getKey().replace('_', ' ') + " " + show(inner.getKey(), inner.getValue()))
                        .collect(Collectors.joining("; "));
            case List<?> list ->
                list.isEmpty() ? "none" : list.stream().map(String::valueOf).collect(Collectors.joining(", "));
            case Number count
            when !(count instanceof Double) && !name.endsWith("_id") -> String.format("%,d", count.longValue());
            default -> value.equals(Json.NULL) ? "none" : value.toString();
        };
    }
}
