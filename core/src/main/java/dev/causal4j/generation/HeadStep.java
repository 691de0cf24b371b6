package dev.causal4j.generation;

import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Screen;
import dev.causal4j.head.ScreenedLogits;
import dev.causal4j.kernel.Rows;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * From the hidden vector of a sequence that runs alone to its next token, screened where that is on. Belongs to one call of
 * a generator; not thread-safe.
 */
final class HeadStep {
    private final CausalLMHead head;
    private final ScreeningTrial trial;
    private @Nullable ScreenedLogits scratch;
    private long steps;
    private long screened;
    private long rows;
    private long refused;

    HeadStep(CausalLMHead head, ScreeningTrial trial) {
        this.head = head;
        this.trial = trial;
    }

    int choose(Sequence sequence, Rows hidden, int row) {
        long start = System.nanoTime();
        Optional<Screen> screen = trial.next();
        steps++;
        OptionalInt token = screen.isPresent() ? screened(screen.get(), sequence, hidden, row) : OptionalInt.empty();
        int chosen = token.isPresent() ? token.getAsInt() : sequence.choose(head.logits(hidden, row), 0);
        trial.took(screen.isPresent(), System.nanoTime() - start);
        return chosen;
    }

    private OptionalInt screened(Screen screen, Sequence sequence, Rows hidden, int row) {
        ScreenedLogits logits = scratch;
        if (logits == null) {
            logits = new ScreenedLogits(screen, sequence.choosableTokens());
            scratch = logits;
        }
        OptionalInt token = logits.screen(hidden, row) ? sequence.choose(logits) : OptionalInt.empty();
        if (token.isPresent()) {
            screened++;
            rows += logits.known();
        } else {
            refused++;
        }
        return token;
    }

    Screening.Counts counts() {
        return new Screening.Counts(steps, screened, rows, refused);
    }
}
