package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.Decoder;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A causal language model: decoder, head and, where there is one, a tokenizer. Immutable and thread-safe; many callers
 * share one.
 *
 * @param decoder hidden vectors to hidden vectors
 * @param head tokens to vectors, and hidden vectors to predictions
 * @param tokenizer empty for a model that takes token ids alone
 * @param bos the id an empty prompt starts from, if there is one
 * @param eos the ids that end a text
 */
public record CausalLM(
        Decoder decoder, CausalLMHead head, Optional<Tokenizer> tokenizer, OptionalInt bos, Set<Integer> eos) {
    /**
     * Assembles a model from its parts.
     *
     * @throws IllegalArgumentException if head and decoder differ in hidden size, or the tokenizer or a special id goes
     *     beyond the head's vocabulary
     */
    public CausalLM {
        eos = Set.copyOf(eos);
        int hiddenSize = decoder.config().hiddenSize();
        if (head.hiddenSize() != hiddenSize) {
            throw new IllegalArgumentException(
                    "head: expected the decoder's hidden size " + hiddenSize + ", got " + head.hiddenSize());
        }
        if (tokenizer.isPresent() && tokenizer.get().vocabularySize() > head.vocabularySize()) {
            throw new IllegalArgumentException("tokenizer: expected at most the head's " + head.vocabularySize()
                    + " entries, got " + tokenizer.get().vocabularySize());
        }
        if (bos.isPresent()) {
            head.checkTokens(new int[] {bos.getAsInt()});
        }
        head.checkTokens(eos.stream().mapToInt(Integer::intValue).sorted().toArray());
    }

    /** A model that takes token ids alone and has no special ones. */
    public CausalLM(Decoder decoder, CausalLMHead head) {
        this(decoder, head, Optional.empty(), OptionalInt.empty(), Set.of());
    }

    /**
     * Loads a folder in Hugging Face layout (config.json, safetensors, and a tokenizer if there is one) in the dtype
     * its weights are stored in: bf16 as bf16, f32 and f16 as f32, all without loss.
     *
     * @throws FormatException if a file is not what it should be
     * @throws IOException if reading fails
     */
    public static CausalLM load(Path folder) throws IOException {
        return load(folder, Optional.empty());
    }

    /**
     * The same in a dtype of choice: f32 weights are rounded to bf16 or quantised to int8 when that is asked for. Converted
     * weights ({@link Conversion}) can only be had in the dtype they were converted to.
     */
    public static CausalLM load(Path folder, DType dtype) throws IOException {
        return load(folder, Optional.of(dtype));
    }

    private static CausalLM load(Path folder, Optional<DType> dtype) throws IOException {
        return Checkpoint.open(folder).load(dtype);
    }

    /**
     * A new model to train from scratch: weights from N(0, 0.02), projections back into the residual stream from
     * N(0, 0.02 / sqrt(2 layers)), biases 0, gains 1 (Radford et al. 2019). Equal seeds give equal bits.
     */
    public static CausalLM create(GPT2Config config, long seed, DType dtype) {
        return new GPT2Initializer(config, seed, dtype).model();
    }

    /** Parameters; a tied embedding counts once. */
    public long parameters() {
        return namedParameters().stream().mapToLong(Parameter::size).sum();
    }

    /**
     * Every parameter by its name, in the order of the forward pass; a tied matrix once. The one list that checkpoints,
     * optimizer and counts are made from.
     */
    public List<Parameter> namedParameters() {
        return GPT2Parameters.of(this);
    }

    /**
     * The same model with other parameters of the same shapes. A tied matrix is asked for once and stays tied.
     *
     * @param replacement called for each of {@link #namedParameters}, in that order
     */
    public CausalLM withParameters(UnaryOperator<Parameter> replacement) {
        return new GPT2Parameters(replacement).model(this);
    }

    /**
     * The same model with other adapters.
     *
     * @param adapters called with the weight of each linear layer; null for no adapter
     */
    public CausalLM withAdapters(Function<ParameterSpec, @Nullable LowRank> adapters) {
        return with(GPT2Parameters.adapted(decoder, adapters));
    }

    /** The same function without adapters: the weights of their layers, in f32, are the sums. */
    public CausalLM merged() {
        return with(GPT2Parameters.merged(decoder));
    }

    private CausalLM with(Parameters parameters) {
        return new CausalLM(Decoder.of(decoder.config(), parameters), head, tokenizer, bos, eos);
    }

    /**
     * The same model for another vocabulary; see {@link CausalLMHead#withVocabularySize}.
     *
     * @throws IllegalArgumentException if the tokenizer or a special id goes beyond it
     */
    public CausalLM withVocabularySize(int size) {
        return new CausalLM(decoder, head.withVocabularySize(size), tokenizer, bos, eos);
    }

    /**
     * Saves the model as a folder in Hugging Face layout, which must exist: config.json, the tokenizer if there is one, and
     * model.safetensors last. Each file is written whole or not at all; equal models give equal bytes. The head is left out
     * when it is the embedding, and adapters become part of their layers.
     *
     * @param dtype f32, or bf16 to round the weights to it
     * @throws IOException if writing fails
     */
    public void save(Path folder, DType dtype) throws IOException {
        GPT2Writing.write(merged(), folder, dtype);
    }

    /** What its config.json says. */
    public GPT2Config config() {
        return new GPT2Config(GPT2Shape.of(decoder.config()), head.vocabularySize(), head.tied(), bos, eos);
    }

    /** How weights are stored. */
    public DType dtype() {
        return head.embedding().dtype();
    }

    /**
     * One forward: embeds the tokens of a batch and carries them to their hidden vectors. Caches grow by the tokens; when
     * it throws, none has changed its length.
     *
     * @param activations the caller's scratch; the result lies in it until the next forward
     * @return the last hidden vectors of the rows that are wanted, in the order of the batch
     * @throws IllegalArgumentException if a token is not in the vocabulary or a sequence outgrows the context
     */
    public Rows forward(Batch batch, Activations activations) {
        head.embed(batch.tokens(), activations.hidden(batch.rows(), head.hiddenSize()));
        return decoder.forward(batch, activations);
    }

    /** An empty cache for one sequence, to be closed. */
    public KVCache newCache() {
        return decoder.newCache();
    }

    /**
     * The tokenizer.
     *
     * @throws IllegalStateException if the model has none, saying what to do
     */
    public Tokenizer requireTokenizer() {
        return require(tokenizer);
    }

    static Tokenizer require(Optional<Tokenizer> tokenizer) {
        return tokenizer.orElseThrow(() -> new IllegalStateException("tokenizer: expected tokenizer.json, or vocab.json"
                + " and merges.txt, in the model's folder, got none; give token ids instead of text (--tokens)"));
    }
}
