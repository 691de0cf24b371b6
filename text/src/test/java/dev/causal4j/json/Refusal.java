package dev.causal4j.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.causal4j.FormatException;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** The claims about every refusal of a file. */
public final class Refusal {
    private Refusal() {}

    /** Refused by our exception, in one printable line that names the subject and everything in {@code told}. */
    public static void refused(ThrowingCallable attack, String subject, String... told) {
        Throwable refusal = catchThrowable(attack);
        assertThat(refusal).isExactlyInstanceOf(FormatException.class);
        assertThat(refusal.getMessage())
                .startsWith(subject)
                .satisfies(message -> assertThat(List.of(told)).allMatch(message::contains))
                .matches("[^\\p{Cntrl}]+: expected [^\\p{Cntrl}]+, got [^\\p{Cntrl}]+; [^\\p{Cntrl}]+")
                .hasSizeLessThan(1000);
    }
}
