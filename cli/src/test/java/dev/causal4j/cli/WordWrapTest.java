package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class WordWrapTest {
    private final StringWriter out = new StringWriter();
    private final AtomicInteger width = new AtomicInteger(11);
    private final WordWrap lines = new WordWrap(new PrintWriter(out), Streaming.TERMINAL, width::get);

    private String shown(String... pieces) {
        for (String piece : pieces) {
            lines.print(piece, false);
        }
        lines.end();
        return out.toString();
    }

    @Test
    void wordsAreNotBrokenHoweverTheyComeInPieces() {
        String text = "Emma was not to be a very\nquick girl.";
        String wrapped = "Emma was \nnot to be a\nvery\nquick girl.\n";
        assertThat(shown(text)).isEqualTo(wrapped);
        assertThat(shown(text.split(""))).isEqualTo(wrapped + wrapped);
    }

    @Test
    void aWordIsThereWhenAnotherBegins() {
        lines.print("Emma wa", false);
        assertThat(out).hasToString("Emma ");
        lines.print("s", false);
        assertThat(out).hasToString("Emma ");
        lines.print(" no", false);
        assertThat(out).hasToString("Emma was ");
    }

    @Test
    void aFullLineIsFollowedByNoEmptyOne() {
        assertThat(shown("not to be a\nvery\n\nnot to be a  \nx")).isEqualTo("not to be a\nvery\n\nnot to be a\nx\n");
    }

    @Test
    void whatIsLongerThanALineIsNotHeldBack() {
        lines.print("at /usr/lib/jvm/j", false);
        assertThat(out).hasToString("at \n/usr/lib/jvm/j");
        assertThat(shown(" x")).isEqualTo("at \n/usr/lib/jvm/j\nx\n");
    }

    @Test
    void charactersMayTakeTwoColumnsAndNone() {
        assertThat(shown("\u6f22\u5b57\u304b\u306a\u6f22\u5b57\u304b"))
                .isEqualTo("\u6f22\u5b57\u304b\u306a\u6f22\n\u5b57\u304b\n");
        out.getBuffer().setLength(0);
        assertThat(shown("e\u0301e\u0301e\u0301e\u0301e\u0301 abcde x"))
                .isEqualTo("e\u0301e\u0301e\u0301e\u0301e\u0301 abcde\nx\n");
    }

    @Test
    void aTerminalMayGrow() {
        lines.print("Emma was not to ", false);
        width.set(80);
        assertThat(shown("be a very quick girl")).isEqualTo("Emma was \nnot to be a very quick girl\n");
    }

    @Test
    void nothingOfTheTextSteersTheTerminal() {
        assertThat(shown("a\033[2Jb\rc")).isEqualTo("a\ufffd[2Jb\ufffdc\n");
    }
}
