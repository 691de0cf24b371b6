package dev.causal4j.model.gguf;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.BlockType;
import dev.causal4j.format.GgufWriter;
import dev.causal4j.format.TensorView;
import dev.causal4j.json.Json;
import dev.causal4j.model.families.Architecture;
import dev.causal4j.model.families.Origin;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * Writes a model as a GGUF file that needs no other file, also in llama.cpp. As thread-safe as {@code rows}.
 *
 * @param subject the subject of messages
 * @param bos the id that texts begin with, if there is one
 * @param eos the ids that end a text
 * @param templates the chat templates, and the special tokens by name
 * @param pooling llama.cpp's number of a model that embeds, as of {@link GgufModel}
 * @param rows gives the rows of a parameter; rows of a vector have one number each
 */
public record GgufFiles(
        String subject,
        Architecture model,
        OptionalInt bos,
        Set<Integer> eos,
        Optional<Tokenizer> tokenizer,
        ChatTemplate.Source templates,
        int pooling,
        Function<ParameterSpec, Matrix.Source> rows) {
    private static final List<String> ENDS = List.of("eos", "eot", "eom");

    /** llama.cpp's numbers of files, by the type of their matrices. */
    private static final Map<BlockType, Integer> FILE_TYPES =
            Map.of(BlockType.F32, 0, BlockType.F16, 1, BlockType.BF16, 32, BlockType.Q8_0, 7, BlockType.Q4_0, 2);

    /**
     * Writes the file whole or not at all.
     *
     * @param type the type of matrices; a matrix whose rows are not whole blocks is f32, like vectors, positions and
     *     routers
     * @param progress receives the bytes of weights written so far, and the total
     * @throws FormatException naming a property that no file can express
     * @throws IOException if writing fails
     */
    public void write(BlockType type, Path out, BiConsumer<Long, Long> progress) throws IOException {
        GgufFamily family = GgufFamily.of(subject, model);
        Map<String, Object> metadata = new LinkedHashMap<>();
        family.metadata().forEach((key, value) -> metadata.put((String) key, value));
        if (pooling > 0) {
            metadata.put(metadata.get(GgufArchitecture.KEY) + "." + GgufModel.POOLING, pooling);
        }
        metadata.put("general.file_type", FILE_TYPES.get(type));
        metadata.put("general.quantization_version", 2); // the version of the layouts of blocks
        metadata.putAll(vocabulary(metadata));
        // llama.cpp decides by the name that Phi 3's tokens take the space after them.
        boolean phi = family.type().equals("phi3") && GgufVocabulary.isScored(metadata);
        String title = out.getFileName().toString().replaceFirst("\\.gguf$", "");
        metadata.put("general.name", phi ? "phi3 " + title : title.replaceAll("(?i)(phi)-?3", "$1_3"));
        List<GgufWriter.Source> tensors = new ArrayList<>();
        for (TensorView buffer : family.buffers()) {
            Consumer<MemorySegment> copy = data -> data.copyFrom(buffer.data());
            tensors.add(new GgufWriter.Source(buffer.name(), BlockType.F32, buffer.shape(), copy));
        }
        Map<String, Map<ParameterSpec, Origin>> holders = new LinkedHashMap<>(); // by tensor
        for (ParameterSpec spec : model.specs()) {
            Origin origin = family.origin(model.decoder(), spec, "");
            origin.names()
                    .forEach(name -> holders.computeIfAbsent(name, _ -> new LinkedHashMap<>())
                            .put(spec, origin));
        }
        holders.forEach((name, parameters) -> tensors.add(source(type, name, parameters)));
        long total = tensors.stream().mapToLong(GgufWriter.Source::bytes).sum();
        GgufWriter.write(out, metadata, tensors, bytes -> progress.accept(bytes, total));
    }

    /** A tensor with parts of parameters, all of one role: a tensor of all experts has several. */
    private GgufWriter.Source source(BlockType type, String name, Map<ParameterSpec, Origin> parameters) {
        var one = parameters.entrySet().iterator().next();
        ParameterSpec spec = one.getKey();
        boolean isExact =
                spec.role().isVector() || List.of(Role.POSITIONS, Role.ROUTER).contains(spec.role());
        BlockType blocks = isExact || spec.cols() % type.elements() != 0 ? BlockType.F32 : type;
        List<Long> shape = one.getValue().parts().stream()
                .filter(part -> part.name().equals(name))
                .findFirst()
                .orElseThrow()
                .shape();
        return new GgufWriter.Source(name, blocks, shape, data -> {
            Origin.RowTarget target =
                    (first, _, numbers) -> blocks.encode(numbers, data, first / blocks.elements() * blocks.bytes());
            try {
                parameters.forEach(
                        (each, origin) -> origin.write(name, each.cols(), rows.apply(each), Compute.shared(), target));
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException(subject + ", tensor " + name + ": " + e.getMessage(), e);
            }
        });
    }

    /** Tokens, special ids and chat templates for a file with these other keys. */
    private Map<String, Object> vocabulary(Map<String, Object> others) throws FormatException {
        if (tokenizer.isEmpty()) {
            return GgufVocabulary.noMetadata();
        }
        Json file = new Json(subject, others);
        Map<String, Integer> special = special(tokenizer.get());
        Map<String, Object> metadata =
                GgufTokens.of(file, tokenizer.get(), model.vocabularySize()).metadata(tokenizer.get(), special);
        check(new GgufVocabulary(file.with(metadata), model.vocabularySize()), special);
        metadata.putAll(GgufVocabulary.templates(templates.templates()));
        int[] ends = tokenizer.get().whole(new int[0]);
        ends = Arrays.copyOfRange(ends, tokenizer.get().withPrefix(new int[0]).length, ends.length);
        if (pooling > 0 && ends.length > 0) {
            if (ends.length > 1 || ends[0] != special.getOrDefault("eos", -1)) {
                String expected = "no token after texts but " + special.get("eos") + ", which ends them";
                throw refused("post_processor", expected, Arrays.toString(ends), "GGUF has no key for it");
            }
            metadata.put(GgufVocabulary.ENDS, true);
        }
        return metadata;
    }

    /** Refuses special tokens that would differ when the file is read again. */
    private void check(GgufVocabulary read, Map<String, Integer> special) throws FormatException {
        Set<Integer> lost = new TreeSet<>(eos);
        lost.removeAll(read.stops());
        if (!lost.isEmpty()) {
            String expected = "at most three tokens that end texts, besides known ones";
            throw refused("eos_token_id", expected, "more: " + lost, "GGUF has no key for it");
        }
        List<Integer> own = bos.stream().boxed().toList();
        List<Integer> begins = read.bos().stream().boxed().toList();
        if (!begins.equals(own.isEmpty() && special.containsKey("bos") ? List.of(special.get("bos")) : own)) {
            String expected = begins + ", as it would come back from a file";
            throw refused("bos_token_id", expected, own.toString(), "config.json must name that one");
        }
        for (String name : List.of("bos_token", "eos_token")) { // templates may write them
            String said = String.valueOf(templates.specialTokens().get(name));
            String again = String.valueOf(read.templateSource().specialTokens().get(name));
            boolean asked = templates.templates().values().stream().anyMatch(text -> text.contains(name));
            if (asked && !said.equals(again)) {
                throw refused(name, again + ", which its id says, since a chat template asks", said, "they must agree");
            }
        }
    }

    private FormatException refused(String key, String expected, String got, String remedy) {
        return new UnsupportedModelException(subject + ", key \"" + key + '"', expected, got, remedy);
    }

    /** Ids by their purpose. */
    private Map<String, Integer> special(Tokenizer tokenizer) throws FormatException {
        Map<String, Integer> special = new LinkedHashMap<>();
        Stream<Integer> prefix = Arrays.stream(tokenizer.withPrefix(new int[0])).boxed();
        Stream.of(prefix, bos.stream().boxed(), named(tokenizer, "bos_token"))
                .flatMap(ids -> ids)
                .findFirst()
                .ifPresent(id -> special.put("bos", id));
        Stream<Integer> named = named(tokenizer, "eos_token").filter(id -> eos.isEmpty() || eos.contains(id));
        List<Integer> ends =
                Stream.concat(named, eos.stream().sorted()).distinct().toList();
        if (ends.isEmpty()) {
            throw refused("eos_token_id", "a token that ends texts", "none", "name one in config.json");
        }
        for (int i = 0; i < Math.min(ends.size(), ENDS.size()); i++) {
            special.put(ENDS.get(i), ends.get(i));
        }
        named(tokenizer, "pad_token").forEach(id -> special.put("padding", id));
        return special;
    }

    /** The id of a special token by its name in the files; empty if they have none, or the model has no row for it. */
    private Stream<Integer> named(Tokenizer tokenizer, String name) {
        String token = templates.specialTokens().getOrDefault(name, "");
        return tokenizer.id(token).stream()
                .filter(id -> id < model.vocabularySize())
                .boxed();
    }
}
