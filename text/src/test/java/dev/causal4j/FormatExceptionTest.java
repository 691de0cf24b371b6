package dev.causal4j;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class FormatExceptionTest {
    @Test
    void messageIsSubjectExpectedGotRemedy() {
        assertThat(new FormatException("a.json", "an integer", "1.5", "correct it"))
                .hasMessage("a.json: expected an integer, got 1.5; correct it");
    }

    @Test
    void lineBreaksAndTerminalSequencesAreEscapedEverywhere() {
        String hostile = "a\nb\r\u001b[2J\u2028\u202e\u0000\ud800";
        assertThat(new FormatException(hostile, hostile, hostile, hostile).getMessage())
                .doesNotContain("\n", "\r", "\u001b", "\u2028", "\u202e", "\u0000", "\ud800")
                .contains("a\\u000ab\\u000d\\u001b[2J\\u2028\\u202e\\u0000\\ud800");
    }

    @Test
    void quotedStringsAreCutBetweenCharacters() {
        assertThat(FormatException.quote("short ü 日本 😀")).isEqualTo("\"short ü 日本 😀\"");
        assertThat(FormatException.quote("😀".repeat(1000))).isEqualTo('"' + "😀".repeat(80) + "...\"");
    }

    @Test
    void evenAMegabyteGivesAShortMessage() {
        String long_ = "x".repeat(1_000_000);
        assertThat(new FormatException(long_, long_, long_, long_).getMessage()).hasSizeLessThan(20_000);
    }
}
