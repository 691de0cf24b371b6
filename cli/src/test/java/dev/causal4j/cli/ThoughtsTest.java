package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ThoughtsTest {
    private static final String COLORS = "causal4j.colors";

    @BeforeEach
    void withColors() {
        System.setProperty(COLORS, "true");
        System.setProperty(Streaming.TERMINAL, "true");
    }

    @AfterEach
    void without() {
        System.clearProperty(COLORS);
        System.clearProperty(Streaming.TERMINAL);
    }

    private static String shown(boolean thinking, String... pieces) {
        StringWriter out = new StringWriter();
        Thoughts thoughts = new Thoughts(new PrintWriter(out), thinking, () -> 80);
        for (String piece : pieces) {
            thoughts.show(piece);
        }
        thoughts.end();
        return out.toString()
                .replace("\033[22m\033[2m", "")
                .replace("\033[2m", "{")
                .replace("\033[22m", "}");
    }

    @Test
    void thoughtsAreDimmedHoweverTheTagsAreCut() {
        String[] letters = "a<think>b<c</think>d<thin".split("");
        assertThat(shown(false, letters)).isEqualTo("a{<think>b<c</think>}d<thin\n");
        assertThat(shown(false, String.join("", letters))).isEqualTo("a{<think>b<c</think>}d<thin\n");
        assertThat(shown(true, "why", "</think>", "so")).isEqualTo("{why</think>}so\n");
    }

    @Test
    void withoutColorsNothingIsAdded() {
        System.clearProperty(COLORS);
        assertThat(shown(false, "<think>b</think>c")).isEqualTo("<think>b</think>c\n");
    }

    @Test
    void anAnswerCannotSteerTheTerminal() {
        assertThat(shown(false, "a\033[2Jb\r\n\tc\u009bd")).isEqualTo("a\ufffd[2Jb\ufffd\n\tc\ufffdd\n");
    }
}
