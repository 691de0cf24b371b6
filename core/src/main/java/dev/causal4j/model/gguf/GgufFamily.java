package dev.causal4j.model.gguf;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.MixerConfig.GatedDelta;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorStore.Stored;
import dev.causal4j.format.TensorView;
import dev.causal4j.json.Json;
import dev.causal4j.model.families.Architecture;
import dev.causal4j.model.families.Families;
import dev.causal4j.model.families.FileLayout;
import dev.causal4j.model.families.Names;
import dev.causal4j.model.families.Origin;
import dev.causal4j.model.gguf.GgufArchitecture.Trait;
import dev.causal4j.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A family in a GGUF file, as llama.cpp writes it: the architecture, and the names and places of parameters. Immutable.
 *
 * <p>In these files linear weights are [out, in], Gemma's gains include the added 1, and Llama's queries and keys have
 * the rows of each head in pairs.
 */
public final class GgufFamily implements FileLayout {
    private static final Names NAMES = new Names(
            List.of(""),
            "blk.",
            Map.ofEntries(
                    Map.entry("embedding", "token_embd"),
                    Map.entry("positions", "position_embd"),
                    Map.entry("norm", "output_norm"),
                    Map.entry("head", "output"),
                    Map.entry("attention_norm", "attn_norm"),
                    Map.entry("query", "attn_q"),
                    Map.entry("key", "attn_k"),
                    Map.entry("value", "attn_v"),
                    Map.entry("query_norm", "attn_q_norm"),
                    Map.entry("key_norm", "attn_k_norm"),
                    Map.entry("sinks", "attn_sinks"),
                    Map.entry("attention_out", "attn_output"),
                    Map.entry("attention_out_norm", "post_attention_norm"),
                    Map.entry("feed_forward_norm", "ffn_norm"),
                    Map.entry("feed_forward_out_norm", "post_ffw_norm"),
                    Map.entry("conv_in", "shortconv.in_proj"),
                    Map.entry("conv", "shortconv.conv"),
                    Map.entry("conv_out", "shortconv.out_proj"),
                    Map.entry("delta_qkv", "attn_qkv"),
                    Map.entry("delta_z", "attn_gate"),
                    Map.entry("delta_b", "ssm_beta"),
                    Map.entry("delta_a", "ssm_alpha"),
                    Map.entry("delta_conv", "ssm_conv1d"),
                    Map.entry("delta_decay", "ssm_a="),
                    Map.entry("delta_step", "ssm_dt"),
                    Map.entry("delta_norm", "ssm_norm"),
                    Map.entry("delta_out", "ssm_out"),
                    Map.entry("mamba_in", "ssm_in"),
                    Map.entry("mamba_conv", "ssm_conv1d"),
                    Map.entry("mamba_decay", "ssm_a="),
                    Map.entry("mamba_step", "ssm_dt"),
                    Map.entry("mamba_skip", "ssm_d="),
                    Map.entry("mamba_norm", "ssm_norm"),
                    Map.entry("mamba_out", "ssm_out"),
                    Map.entry("shared_router", "ffn_gate_inp_shexp"),
                    Map.entry("shared_gate", "ffn_gate_shexp"),
                    Map.entry("shared_up", "ffn_up_shexp"),
                    Map.entry("shared_down", "ffn_down_shexp"),
                    Map.entry("router", "ffn_gate_inp"),
                    Map.entry("choice", "exp_probs_b"),
                    Map.entry("gate", "ffn_gate"),
                    Map.entry("up", "ffn_up"),
                    Map.entry("down", "ffn_down"),
                    Map.entry("expert_gate", "ffn_gate_exps"),
                    Map.entry("expert_up", "ffn_up_exps"),
                    Map.entry("expert_down", "ffn_down_exps"),
                    Map.entry("router_norm", "ffn_gate_inp.scale="),
                    Map.entry("expert_scales", "ffn_down_exps.scale="),
                    Map.entry("dense_out_norm", "post_ffw_norm_1"),
                    Map.entry("experts_norm", "pre_ffw_norm_2"),
                    Map.entry("experts_out_norm", "post_ffw_norm_2"),
                    Map.entry("per_layer_embedding", "per_layer_token_embd"),
                    Map.entry("per_layer_inputs", "per_layer_model_proj"),
                    Map.entry("per_layer_norm", "per_layer_proj_norm"),
                    Map.entry("per_layer_gate", "inp_gate"),
                    Map.entry("per_layer_projection", "proj"),
                    Map.entry("per_layer_out_norm", "post_norm"),
                    Map.entry("layer_scale", "layer_output_scale")),
            Origin.Form.SAME,
            true);

    private static final String REMEDY = "this model cannot be written as GGUF";
    private static final String PACKED = "blk.0.attn_qkv.weight";
    private static final String GATE = "blk.0.ffn_gate.weight";
    private static final String ROUTER = ".ffn_gate_inp.weight"; // in a block
    private static final String FUSED = "blk.0.ffn_gate_up_exps.weight";
    private static final MemorySegment NO_NUMBERS = MemorySegment.ofArray(new float[0]);

    private final Json metadata;
    private final GgufArchitecture architecture;
    private final boolean hasExperts;
    private final TensorStore tensors;
    private final Set<String> present;
    private final Names names;
    private final int layers; // without layers that guess further tokens

    public GgufFamily(Json metadata, TensorStore tensors) throws FormatException {
        this.metadata = metadata;
        this.tensors = tensors;
        this.present = tensors.names();
        this.architecture = GgufArchitecture.of(metadata);
        boolean mayHave = List.of(GgufArchitecture.LLAMA, GgufArchitecture.GEMMA4, GgufArchitecture.GRANITE_HYBRID)
                        .contains(architecture)
                || architecture.has(Trait.EXPERTS);
        this.hasExperts = mayHave && present.stream().anyMatch(name -> name.endsWith(ROUTER));
        Map<String, String> own = new HashMap<>();
        if (present.contains(FUSED)) {
            own.put("expert_gate_up", "ffn_gate_up_exps");
        }
        if (isPacked()) {
            own.put("qkv", "attn_qkv");
        }
        if (!present.contains(GATE) && !hasExperts) {
            own.put("gate_up", "ffn_up");
        }
        if (architecture == GgufArchitecture.GPT_OSS || architecture.has(Trait.DELTA)) {
            own.put("feed_forward_norm", "post_attention_norm");
        }
        if (architecture.has(Trait.CONVOLUTIONS)) {
            own.put("norm", "token_embd_norm");
        }
        this.names = NAMES.with(own);
        this.layers = new GgufKeys(metadata, architecture, tensors).layers();
    }

    /**
     * The family in a file to write: {@link #metadata} and {@link #buffers} are the inverse of {@link #read}, which
     * must give the same architecture again.
     *
     * @param subject the subject of messages
     * @throws UnsupportedModelException naming a property that no file can express
     */
    public static GgufFamily of(String subject, Architecture model) throws FormatException {
        List<AttentionConfig> attentions = model.decoder().attentions();
        boolean biased = attentions.stream().allMatch(each -> each.qkvBias() && each.outBias());
        boolean tied = model.tied();
        Json said = new Json(
                subject,
                Json.object("model_type", model.family(), "tie_word_embeddings", tied, "attention_bias", biased));
        said.support("layer_types", !attentions.isEmpty(), "a layer of attention, which GGUF has the heads of");
        GgufArchitecture named = GgufArchitecture.of(said, model.family());
        boolean plain = named == GgufArchitecture.GRANITE_HYBRID
                && attentions.size() == model.decoder().blocks().size();
        GgufArchitecture architecture = plain ? GgufArchitecture.GRANITE : named;
        boolean fits = tied ? !architecture.has(Trait.UNTIED) : !architecture.has(Trait.TIED);
        said.support("tie_word_embeddings", fits, !tied + " of " + architecture + " in GGUF");
        said.support(
                "attention_bias", biased || !architecture.has(Trait.BIASES), "true of " + architecture + " in GGUF");
        Map<String, Stored> tensors = new LinkedHashMap<>();
        Map<String, Object> keys = Json.object(GgufArchitecture.KEY, architecture.toString());
        Map<String, float[]> factors = new LinkedHashMap<>();
        keys.putAll(new WrittenKeys(architecture, model, new LinkedHashMap<>(), factors).write());
        factors.forEach((name, numbers) -> {
            List<Long> shape = List.of((long) numbers.length);
            tensors.put(name, new Stored(subject, DType.F32.name(), shape, MemorySegment.ofArray(numbers)));
        });
        Json metadata = new Json(subject, keys);
        Stored none = new Stored(subject, DType.F32.name(), List.of((long) model.vocabularySize(), 0L), NO_NUMBERS);
        boolean experts = model.decoder().blocks().stream()
                .anyMatch(each -> each.feedForward().experts().isPresent());
        tensors.put(architecture.has(Trait.PACKED) ? PACKED : experts ? "blk.0" + ROUTER : GATE, none);
        if (architecture == GgufArchitecture.GEMMA4) {
            tensors.put(FUSED, none); // as converters write them
        }
        GgufFamily naming = new GgufFamily(metadata, new TensorStore(subject, tensors, Map.of()));
        for (ParameterSpec spec : model.specs()) {
            List<String> names = naming.origin(model.decoder(), spec, "").names();
            if (spec.role() == Role.BIAS && !hasBias(architecture, spec)) {
                String expected = "none, since llama.cpp has no such bias in " + architecture;
                throw new UnsupportedModelException(subject + ", tensor " + names.getFirst(), expected, "one", REMEDY);
            }
            names.forEach(name -> tensors.put(name, none));
        }
        GgufFamily family = new GgufFamily(metadata, new TensorStore(subject, tensors, Map.of()));
        Architecture read = Families.read(family.configuration());
        Difference other = Difference.of("", asStored(model.decoder()), asStored(read.decoder()))
                .or(() -> Difference.of("logitCap", model.logitCap(), read.logitCap()))
                .orElse(null);
        if (other != null) {
            String expected = other.other() + ", which is all that GGUF's " + architecture + " can say";
            throw new UnsupportedModelException(subject + ", " + other.path(), expected, other.one(), REMEDY);
        }
        return family;
    }

    /** Whether queries, keys and values of attention are one tensor. */
    private boolean isPacked() {
        return present.contains(PACKED) && !architecture.has(Trait.DELTA);
    }

    /** The decoder with the order of value heads in files, in which parameters are written. */
    private static DecoderConfig asStored(DecoderConfig decoder) {
        return decoder.withBlocks(decoder.blocks().stream()
                .map(block -> block.mixer() instanceof GatedDelta delta ? block.with(delta.asInterleaved()) : block)
                .toList());
    }

    private static boolean hasBias(GgufArchitecture architecture, ParameterSpec spec) {
        return architecture.has(Trait.BIASES)
                || List.of("delta_step", "mamba_conv", "mamba_step").contains(spec.module())
                || (architecture.has(Trait.MAY_BE_BIASED) && spec.expert() == ParameterSpec.NO_EXPERT)
                || (architecture.has(Trait.QKV_BIASES) && spec.module().equals("qkv"));
    }

    /** The keys of the file, except the vocabulary's. */
    public Map<?, ?> metadata() {
        return metadata.root();
    }

    /** The tensors that belong to the metadata. */
    public List<TensorView> buffers() throws FormatException {
        List<TensorView> buffers = new ArrayList<>();
        for (String name : present) {
            if (isFactors(name)) {
                buffers.add(tensors.tensor(name));
            }
        }
        return buffers;
    }

    @Override
    public String type() {
        boolean olmo = architecture == GgufArchitecture.OLMO2;
        boolean windows =
                olmo && metadata.root().get(architecture.key("sliding_window")) instanceof Integer window && window > 0;
        boolean mixtral = architecture == GgufArchitecture.LLAMA && hasExperts;
        return architecture.type(mixtral || windows);
    }

    @Override
    public Names names() {
        return names;
    }

    @Override
    public boolean isBuffer(DecoderConfig decoder, String name) {
        return isFactors(name)
                || names.isUnread(decoder, name)
                || (architecture.has(Trait.DELTA) && block(name) >= layers);
    }

    /** Whether a tensor is read with the keys. */
    private boolean isFactors(String name) {
        return GgufKeys.factorTensors(architecture).contains(name);
    }

    /** The block of a tensor; -1 for none. */
    private static int block(String name) {
        return name.matches("blk\\.\\d{1,5}\\..*") ? Integer.parseInt(name.split("\\.", -1)[1]) : -1;
    }

    @Override
    public Origin origin(DecoderConfig decoder, ParameterSpec spec, String root) {
        Origin origin = names.origin(decoder, spec, root);
        List<Long> shape = shape(spec);
        if (!shape.isEmpty()) {
            String name = origin.names().getFirst();
            return new Origin(List.of(new Origin.Part(name, shape, spec.rows(), 0, spec.cols(), 1)));
        }
        if (!architecture.has(Trait.PAIRS) || !spec.module().equals("qkv")) {
            return origin;
        }
        AttentionConfig a = (AttentionConfig) decoder.blocks().get(spec.layer()).mixer();
        List<Origin.Part> parts = new ArrayList<>();
        int head = 0; // counted over queries, keys and values
        for (Origin.Part all : origin.parts()) {
            for (int row = 0; row < all.rows(); row += a.headSize(), head++) {
                if (head < a.heads() + a.kvHeads()) { // the halves are interleaved
                    parts.add(all.rows(row, a.headSize() / 2, 2));
                    parts.add(all.rows(row + 1, a.headSize() / 2, 2));
                } else {
                    parts.add(all.rows(row, a.headSize(), 1));
                }
            }
        }
        return new Origin(parts);
    }

    /** The shape of a tensor if it differs from the parameter's, else empty. */
    private static List<Long> shape(ParameterSpec spec) {
        return switch (spec.module()) {
            case "shared_router" -> List.of((long) spec.cols());
            case "mamba_decay", "mamba_skip" -> List.of((long) spec.rows(), 1L);
            default -> List.of();
        };
    }

    /**
     * Reads the metadata.
     *
     * @throws FormatException naming the key that is missing, wrong or not supported
     */
    public Architecture read() throws FormatException {
        Architecture read = Families.read(configuration());
        // Parameters and their parts are listed by these numbers, so it is first checked that the file has these
        // experts and heads.
        for (int layer = 0; layer < read.decoder().blocks().size(); layer++) {
            BlockConfig block = read.decoder().blocks().get(layer);
            if (block.mixer() instanceof AttentionConfig a) {
                long heads = (a.gated() ? 2L : 1L) * a.heads() + (isPacked() ? 2L * a.kvHeads() : 0);
                checkRows("num_attention_heads", layer, isPacked() ? "attn_qkv" : "attn_q", heads * a.headSize());
            }
            if (block.mixer() instanceof GatedDelta delta) {
                checkRows("linear_num_value_heads", layer, "attn_qkv", delta.channels());
                checkRows("linear_num_key_heads", layer, "ssm_alpha", delta.valueHeads());
            }
            var experts = block.feedForward().experts();
            if (experts.isPresent()) {
                checkRows(
                        "num_local_experts",
                        layer,
                        "ffn_gate_inp",
                        experts.get().count());
            }
        }
        return read;
    }

    private Json configuration() throws FormatException {
        return new GgufKeys(metadata, architecture, tensors).configuration(type(), hasExperts);
    }

    private void checkRows(String key, int layer, String name, long rows) throws FormatException {
        String tensor = "blk." + layer + "." + name + ".weight";
        List<Long> shape = tensors.tensor(tensor).shape();
        boolean fits = shape.size() == 2 && shape.getFirst() == rows;
        String expected = "a number that fits tensor " + tensor + " of shape " + shape;
        metadata.check(architecture.key(key), fits, expected);
    }
}
