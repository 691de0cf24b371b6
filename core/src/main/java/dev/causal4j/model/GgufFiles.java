package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.BlockType;
import dev.causal4j.format.GgufVocabulary;
import dev.causal4j.format.GgufWriter;
import dev.causal4j.format.Json;
import dev.causal4j.format.TensorView;
import dev.causal4j.model.families.GgufFamily;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Writes a model as a GGUF file that runs alone, in llama.cpp too. Thread-safe. */
record GgufFiles(Path model, Checkpoint checkpoint) {
    private static final List<String> ENDS = List.of("eos", "eot", "eom");

    void write(GgufType type, Path out, ProgressListener progress) throws IOException {
        GgufFamily family = GgufFamily.of(model.toString(), checkpoint.config());
        Map<String, Object> metadata = new LinkedHashMap<>();
        family.metadata().forEach((key, value) -> metadata.put((String) key, value));
        metadata.put("general.file_type", type.number());
        metadata.put("general.quantization_version", 2); // of the layouts of blocks
        metadata.putAll(vocabulary(metadata));
        // By the name llama.cpp knows that Phi 3's tokens take the space behind them.
        boolean phi = family.type().equals("phi3") && GgufVocabulary.isScored(metadata);
        String title = out.getFileName().toString().replaceFirst("\\.gguf$", "");
        metadata.put("general.name", phi ? "phi3 " + title : title.replaceAll("(?i)(phi)-?3", "$1_3"));
        List<GgufWriter.Source> tensors = new ArrayList<>();
        for (TensorView buffer : family.buffers()) {
            Consumer<MemorySegment> copy = data -> data.copyFrom(buffer.data());
            tensors.add(new GgufWriter.Source(buffer.name(), BlockType.F32, buffer.shape(), copy));
        }
        Map<String, Map<ParameterSpec, Origin>> holders = new LinkedHashMap<>(); // by tensor
        for (ParameterSpec spec : checkpoint.config().specs()) {
            Origin origin = family.origin(checkpoint.config(), spec, "");
            origin.names()
                    .forEach(name -> holders.computeIfAbsent(name, _ -> new LinkedHashMap<>())
                            .put(spec, origin));
        }
        holders.forEach((name, parameters) -> tensors.add(source(type, name, parameters)));
        long total = tensors.stream().mapToLong(GgufWriter.Source::bytes).sum();
        GgufWriter.write(out, metadata, tensors, bytes -> progress.accept(bytes, total));
    }

    /** A tensor with parts of parameters, all of one role: of several where it holds all experts'. */
    private GgufWriter.Source source(GgufType type, String name, Map<ParameterSpec, Origin> parameters) {
        var one = parameters.entrySet().iterator().next();
        Role role = one.getKey().role();
        boolean isExact =
                role.isVector() || List.of(Role.POSITIONS, Role.ROUTER).contains(role);
        BlockType blocks = isExact ? BlockType.F32 : type.blocks(one.getKey().cols());
        List<Long> shape = one.getValue().parts().stream()
                .filter(part -> part.name().equals(name))
                .findFirst()
                .orElseThrow()
                .shape();
        return new GgufWriter.Source(name, blocks, shape, data -> {
            StoredRows.RowTarget target =
                    (first, _, numbers) -> blocks.encode(numbers, data, first / blocks.elements() * blocks.bytes());
            try {
                parameters.forEach((spec, origin) ->
                        StoredRows.write(origin, name, spec.cols(), checkpoint.rows(spec), Compute.shared(), target));
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(model + ", tensor " + name + ": " + e.getMessage(), e);
            }
        });
    }

    /** Tokens, special ids and chat templates for a file with these other keys. */
    private Map<String, Object> vocabulary(Map<String, Object> others) throws IOException {
        if (checkpoint.tokenizer().isEmpty()) {
            return GgufVocabulary.noMetadata();
        }
        ModelConfig config = checkpoint.config();
        Tokenizer tokenizer = checkpoint.requireTokenizer();
        Json file = new Json(model.toString(), others);
        Map<String, Integer> special = special(tokenizer);
        if (!special.containsKey(ENDS.getFirst())) {
            throw refused("eos_token_id", "a token that ends texts", "none", "name one in config.json");
        }
        Map<String, Object> metadata = tokenizer.toGguf(file, config.vocabularySize(), special);
        GgufVocabulary read = new GgufVocabulary(file.with(new Json("", metadata)), config.vocabularySize());
        Set<Integer> lost = new TreeSet<>(config.eos());
        lost.removeAll(read.stops());
        if (!lost.isEmpty()) {
            String expected = "at most three tokens that end texts, besides known ones";
            throw refused("eos_token_id", expected, "more: " + lost, "GGUF has no key for it");
        }
        List<Integer> begin = config.bos().stream().boxed().toList();
        List<Integer> begins = read.bos().stream().boxed().toList();
        if (!begins.equals(begin.isEmpty() && special.containsKey("bos") ? List.of(special.get("bos")) : begin)) {
            String expected = begins + ", as it would come back from a file";
            throw refused("bos_token_id", expected, begin.toString(), "config.json must name that one");
        }
        Map<String, String> templates = ChatTemplate.sources(model);
        for (String name : List.of("bos_token", "eos_token")) { // which templates write
            String said = String.valueOf(ChatTemplate.specialTokens(model).get(name));
            String again = String.valueOf(read.configuration().get(name));
            if (!said.equals(again) && templates.values().stream().anyMatch(source -> source.contains(name))) {
                throw refused(name, again + ", which its id says, since a chat template asks", said, "they must agree");
            }
        }
        metadata.putAll(GgufVocabulary.templates(templates));
        return metadata;
    }

    private FormatException refused(String key, String expected, String got, String remedy) {
        return new UnsupportedModelException(model + ", key \"" + key + '"', expected, got, remedy);
    }

    /** Ids by what they are for: what the tokenizer puts before texts, what its files name, and the model's. */
    private Map<String, Integer> special(Tokenizer tokenizer) throws IOException {
        ModelConfig config = checkpoint.config();
        Map<String, String> named = ChatTemplate.specialTokens(model);
        Function<String, Stream<Integer>> ids = name -> tokenizer.id(named.getOrDefault(name, "")).stream()
                .filter(id -> id < config.vocabularySize())
                .boxed();
        IntStream first = IntStream.concat(IntStream.of(tokenizer.withPrefix(new int[0])), config.bos().stream());
        List<Integer> begins =
                Stream.concat(first.boxed(), ids.apply("bos_token")).limit(1).toList();
        Stream<Integer> end = ids.apply("eos_token")
                .filter(id -> config.eos().isEmpty() || config.eos().contains(id));
        List<Integer> ends = Stream.concat(end, config.eos().stream().sorted())
                .distinct()
                .limit(ENDS.size())
                .toList();
        Map<String, Integer> special = new LinkedHashMap<>();
        begins.forEach(id -> special.put("bos", id));
        ends.forEach(id -> special.put(ENDS.get(ends.indexOf(id)), id));
        ids.apply("pad_token").forEach(id -> special.put("padding", id));
        return special;
    }
}
