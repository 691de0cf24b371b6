package dev.causal4j.training;

import dev.causal4j.tokenizer.Tokenizer;

/**
 * Makes an example of each text, as KerasHub's GPT2CausalLMPreprocessor: start token, text and end token, cut or padded
 * on the right to contextLength + 1 tokens, of which the first contextLength are x and the last are y. A target that is
 * padding has weight 0. Start and end token are both {@link Tokenizer#END_OF_TEXT}. Immutable and thread-safe.
 */
public final class ExamplePacker {
    private static final int PADDING = 0;

    private final Tokenizer tokenizer;
    private final int contextLength;
    private final boolean addStartToken;
    private final boolean addEndToken;
    private final StartEndPacker packer;

    /** @throws IllegalArgumentException if the tokenizer has no end of text, or the context no room for text */
    public ExamplePacker(Tokenizer tokenizer, int contextLength, boolean addStartToken, boolean addEndToken) {
        int endOfText = tokenizer
                .id(Tokenizer.END_OF_TEXT)
                .orElseThrow(() -> new IllegalArgumentException("tokenizer: expected a token " + Tokenizer.END_OF_TEXT
                        + " to begin and end texts with, got none; add it to the vocabulary"));
        if (contextLength < 2 || contextLength == Integer.MAX_VALUE) {
            throw new IllegalArgumentException("context length: expected at least 2, got " + contextLength);
        }
        this.tokenizer = tokenizer;
        this.contextLength = contextLength;
        this.addStartToken = addStartToken;
        this.addEndToken = addEndToken;
        packer = new StartEndPacker(new int[] {endOfText}, new int[] {endOfText}, PADDING, false);
    }

    /** The example of a text, [contextLength]. */
    public Example pack(String text) {
        StartEndPacker.Packed packed =
                packer.pack(tokenizer.encode(text), contextLength + 1, addStartToken, addEndToken);
        return Example.of(packed.tokens(), packed.real());
    }

    /**
     * A prompt to continue, [contextLength]: it always has the start token and never the end token, whatever examples
     * have. That is KerasHub's rule; a prompt of Hugging Face's GPT-2 has neither.
     */
    public StartEndPacker.Packed packPrompt(String text) {
        return packer.pack(tokenizer.encode(text), contextLength, true, false);
    }
}
