package dev.causal4j.austen;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.Mark;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.model.CausalLM;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Texts of a trained model: 200 tokens are enough to find the mark, also in what the tokenizer makes of the text. */
@Timeout(120)
class MarkedTextTest {
    private static final int TEXTS = Boolean.getBoolean("causal4j.whole") ? 100 : 20;
    private static final Mark MARK = Mark.of("a key of the embedded model's texts".getBytes(StandardCharsets.UTF_8));
    private static final Mark OTHER = Mark.of("another key than that of the texts".getBytes(StandardCharsets.UTF_8));

    private static List<Generation> texts(CausalLM model, GenerationOptions options) {
        Generator generator = new Generator(model);
        List<GenerationRequest> requests = IntStream.range(0, TEXTS)
                .mapToObj(seed -> generator.request(
                        "Emma was", options.withSeed(seed).withMaxNewTokens(200).withEos(Set.of())))
                .toList();
        return generator.generate(requests, TokenListener.NONE);
    }

    @Test
    void twoHundredTokensAreFound() {
        CausalLM model = AustenModel.load();
        List<Generation> marked = texts(model, GenerationOptions.DEFAULT.withMark(MARK));
        assertThat(marked)
                .filteredOn(each -> MARK.detect(each.tokens()).p() < 1e-6)
                .hasSizeGreaterThanOrEqualTo(TEXTS * 99 / 100);
        assertThat(marked)
                .filteredOn(each -> MARK.detect(model.requireTokenizer().encode(each.text()))
                                .p()
                        < 1e-6)
                .hasSizeGreaterThanOrEqualTo(TEXTS * 99 / 100);
        assertThat(marked).allMatch(each -> OTHER.detect(each.tokens()).p() > 1e-5);
    }
}
