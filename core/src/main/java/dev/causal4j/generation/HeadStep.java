package dev.causal4j.generation;

import dev.causal4j.compute.Rows;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Screen;
import dev.causal4j.head.ScreenedLogits;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * From the hidden vector of a sequence that runs alone to its next token, screened where that is on. Belongs to one call of
 * a generator; not thread-safe.
 */
final class HeadStep {
    /** After many refusals in a row one step in 64 is tried. */
    private static final int MOST_DOUBLINGS = 6;

    private final CausalLMHead head;
    private final ScreeningTrial trial;
    private @Nullable ScreenedLogits scratch;
    private long steps;
    private long screened;
    private long rows;
    private long refused;
    private int refusedInARow;
    private int pause; // steps that are not tried

    HeadStep(CausalLMHead head, ScreeningTrial trial) {
        this.head = head;
        this.trial = trial;
    }

    int choose(Sequence sequence, Rows hidden, int row) {
        steps++;
        if (!sequence.canBeScreened()) {
            return sequence.choose(head.logits(hidden, row), 0); // and tells the trial nothing
        }
        long start = System.nanoTime();
        Optional<Screen> screen = trial.next();
        OptionalInt token = OptionalInt.empty();
        if (screen.isPresent() && pause-- <= 0) {
            token = screened(screen.get(), sequence, hidden, row);
        }
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
            refusedInARow = 0;
        } else {
            refused++;
            // A refusal costs a pass for nothing, and likely follows the last one.
            pause = (1 << Math.min(refusedInARow++, MOST_DOUBLINGS)) - 1;
        }
        return token;
    }

    Screening.Counts counts() {
        return new Screening.Counts(steps, screened, rows, refused);
    }
}
