package dev.causal4j.server;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

/**
 * Models that say recorded answers. A GPT-2 whose blocks add nothing: the vector of a position after the prompt has a
 * dimension of its own, for which the head has the token that was recorded there. So the position alone says what comes.
 */
final class Recorded {
    static final Path RESOURCES = Path.of("../text/src/test/resources/dev/causal4j");
    static final Tokenizer TOKENIZER = tokenizer();
    static final String USER = "What do you say?";

    /** Writes neither tools nor names, so that prompts have one length whoever asks. */
    static final ChatTemplate TEMPLATE = ChatTemplate.parse(
            "recorded",
            "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
                    + "assistant: {% if thinks == '<think>' %}<think>\n{% elif thinks %}<|channel>thought\n{% endif %}",
            Map.of());

    private static final int CONTEXT = 1024;
    private static final float SURE = 20;

    private Recorded() {}

    private static Tokenizer tokenizer() {
        try {
            Path file = RESOURCES.resolve("tokenizer/golden/minimind/tokenizer.json");
            return Tokenizer.fromJson(file.toString(), Files.readAllBytes(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * The tokens of a prompt of {@link #USER}.
     *
     * @param thinks the mark of a thought that it ends in, or an empty text
     */
    static int[] prompt(String thinks) {
        String end = thinks.isEmpty() ? "" : thinks + "\n";
        return TOKENIZER.encode("user: " + USER + "\nassistant: " + end, SpecialTokens.PARSE);
    }

    static int[] tokens(String text) {
        return TOKENIZER.encode(text, SpecialTokens.PARSE);
    }

    /** A model that says a text after a prompt, and ends. */
    static CausalLM model(int[] prompt, String text) {
        int[] said = Arrays.copyOf(tokens(text), tokens(text).length + 1);
        int end = TOKENIZER.id("<|im_end|>").orElseThrow();
        said[said.length - 1] = end;
        int heads = Math.ceilDiv(said.length, 8);
        String json = """
                {"model_type": "gpt2", "vocab_size": %d, "n_positions": %d, "n_embd": %d, "n_layer": 1, "n_head": %d,
                "tie_word_embeddings": false, "eos_token_id": %d}
                """.formatted(TOKENIZER.vocabularySize(), CONTEXT, 8 * heads, heads, end);
        return CausalLM.of("recorded", config(json), parameters(prompt.length - 1, said), TOKENIZER);
    }

    private static ModelConfig config(String json) {
        try {
            return ModelConfig.parse(json);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** @param from the position of the prompt's last token */
    private static Parameters parameters(int from, int[] said) {
        return Parameters.of(
                spec -> Matrix.of(Device.shared(), DType.F32, spec.rows(), spec.cols(), (row, numbers) -> {
                    for (int k = 0; k < numbers.length; k++) {
                        numbers[k] = switch (spec.role()) {
                            case POSITIONS -> row - from == k ? 1 : 0;
                            case PROJECTION -> k < said.length && said[k] == row ? SURE : 0;
                            default -> 0;
                        };
                    }
                }),
                spec -> {
                    float[] vector = new float[spec.rows()];
                    Arrays.fill(vector, spec.role() == Role.GAIN ? 1 : 0);
                    return vector;
                });
    }
}
