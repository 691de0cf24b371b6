package dev.causal4j.model;

import dev.causal4j.UnsupportedModelException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.BlockType;
import dev.causal4j.format.GgufVocabulary;
import dev.causal4j.format.GgufWriter;
import dev.causal4j.format.Json;
import dev.causal4j.model.families.GgufFamily;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tensor.TensorView;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Writes a model as a GGUF file that runs alone, in llama.cpp too. Thread-safe. */
record GgufFiles(Path model, Checkpoint checkpoint) {
    void write(GgufType type, Path out, ProgressListener progress) throws IOException {
        GgufFamily family = GgufFamily.of(model.toString(), checkpoint.config());
        Map<String, Object> metadata = new LinkedHashMap<>();
        family.metadata().forEach((key, value) -> metadata.put((String) key, value));
        metadata.put("general.file_type", type.number());
        metadata.put("general.quantization_version", 2); // of the layouts of blocks
        metadata.putAll(vocabulary(family));
        // By the name llama.cpp knows that Phi 3's tokens take the space behind them.
        String prefix = family.type().equals("phi3") && GgufVocabulary.isScored(metadata) ? "phi3 " : "";
        metadata.put("general.name", prefix + out.getFileName().toString().replaceFirst("\\.gguf$", ""));
        List<GgufWriter.Source> tensors = new ArrayList<>();
        for (TensorView buffer : family.buffers()) {
            tensors.add(new GgufWriter.Source(
                    buffer.name(),
                    BlockType.F32,
                    buffer.shape(),
                    arena -> arena.allocate(buffer.data().byteSize()).copyFrom(buffer.data())));
        }
        for (ParameterSpec spec : checkpoint.config().specs()) {
            Origin origin = family.origin(checkpoint.config(), spec, "");
            origin.names().forEach(name -> tensors.add(source(type, spec, origin, name)));
        }
        long total = tensors.stream().mapToLong(GgufWriter.Source::bytes).sum();
        GgufWriter.write(out, metadata, tensors, bytes -> progress.accept(bytes, total));
    }

    private GgufWriter.Source source(GgufType type, ParameterSpec spec, Origin origin, String name) {
        boolean isExact = spec.role().isVector() || spec.role() == Role.POSITIONS;
        BlockType blocks = isExact ? BlockType.F32 : type.blocks(spec.cols());
        List<Long> shape = origin.parts().stream()
                .filter(part -> part.name().equals(name))
                .findFirst()
                .orElseThrow()
                .shape();
        return new GgufWriter.Source(name, blocks, shape, arena -> {
            long size = shape.stream().reduce(1L, Math::multiplyExact);
            MemorySegment data = arena.allocate(size / blocks.elements() * blocks.bytes());
            Matrix.Source rows = checkpoint.rows(spec);
            try {
                StoredRows.write(
                        origin,
                        name,
                        spec.cols(),
                        rows,
                        Compute.shared(),
                        (first, _, numbers) ->
                                blocks.encode(numbers, data, first / blocks.elements() * blocks.bytes()));
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(model + ", tensor " + name + ": " + e.getMessage(), e);
            }
            return data;
        });
    }

    /** Tokens, special ids and chat templates. */
    private Map<String, Object> vocabulary(GgufFamily family) throws IOException {
        if (checkpoint.tokenizer().isEmpty()) {
            return GgufVocabulary.noMetadata();
        }
        ModelConfig config = checkpoint.config();
        Tokenizer tokenizer = checkpoint.requireTokenizer();
        Map<String, Integer> special = special(tokenizer);
        String architecture = String.valueOf(family.metadata().get("general.architecture"));
        Map<String, Object> metadata =
                new LinkedHashMap<>(tokenizer.toGguf(model.toString(), architecture, config.vocabularySize(), special));
        GgufVocabulary read = new GgufVocabulary(new Json(model.toString(), metadata), config.vocabularySize());
        Set<Integer> lost = new TreeSet<>(config.eos());
        lost.removeAll(read.stops());
        if (!lost.isEmpty() || (config.bos().isPresent() && !config.bos().equals(read.bos()))) {
            String got = lost.isEmpty() ? "bos_token_id " + config.bos() + " and " + read.bos() : "more: " + lost;
            String expected = "one token that begins texts and at most three that end them, besides known ones";
            throw new UnsupportedModelException(model.toString(), expected, got, "GGUF has no key for it");
        }
        metadata.putAll(GgufVocabulary.templates(ChatTemplate.sources(model)));
        return metadata;
    }

    /** Ids by what they are for: what the tokenizer puts before texts, what its files name, then the model's. */
    private Map<String, Integer> special(Tokenizer tokenizer) throws IOException {
        ModelConfig config = checkpoint.config();
        Map<String, Integer> named = new HashMap<>();
        ChatTemplate.specialTokens(model)
                .forEach((name, piece) -> tokenizer.id(piece).ifPresent(id -> named.put(name, id)));
        named.values().removeIf(id -> id >= config.vocabularySize());
        Map<String, Integer> special = new LinkedHashMap<>();
        IntStream begin = IntStream.concat(Arrays.stream(tokenizer.withPrefix(new int[0])), config.bos().stream());
        Integer bos = begin.boxed().findFirst().orElse(named.get("bos_token"));
        if (bos != null) {
            special.put("bos", bos);
        }
        Set<Integer> ends = new LinkedHashSet<>();
        Stream.ofNullable(named.get("eos_token")).forEach(ends::add);
        config.eos().stream().sorted().forEach(ends::add);
        Iterator<Integer> next = ends.iterator();
        for (String name : List.of("eos", "eot", "eom")) {
            if (next.hasNext()) {
                special.put(name, next.next());
            }
        }
        Stream.ofNullable(named.get("pad_token")).forEach(id -> special.put("padding", id));
        return special;
    }
}
