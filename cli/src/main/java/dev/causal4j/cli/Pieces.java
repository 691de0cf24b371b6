package dev.causal4j.cli;

import dev.causal4j.tokenizer.Tokenizer;
import java.util.HexFormat;
import java.util.Optional;

/** The text of tokens. */
record Pieces(Optional<Tokenizer> tokenizer) {
    private static final HexFormat HEX = HexFormat.ofDelimiter(" ").withUpperCase();

    boolean known() {
        return tokenizer.isPresent();
    }

    private boolean known(int token) {
        return tokenizer.isPresent() && token < tokenizer.get().vocabularySize();
    }

    /** The text of a token on its own, where part of a character is U+FFFD. */
    String of(int token) {
        return known(token) ? tokenizer.orElseThrow().decode(token) : "";
    }

    /** A token in context, on one line: its piece in quotes, or if that is empty its bytes or its id. */
    String shown(int token, String piece) {
        String bytes = known(token) ? HEX.formatHex(tokenizer.orElseThrow().bytes(token)) : "#" + token;
        return piece.isEmpty() ? "<" + bytes + ">" : Visible.quoted(piece);
    }

    /** A token on its own, on one line. */
    String shown(int token) {
        String piece = of(token);
        return shown(token, piece.indexOf('\ufffd') >= 0 ? "" : piece);
    }

    /** A probability in few characters. */
    static String percent(double probability) {
        double percent = 100 * probability;
        return percent >= 0.01 || percent == 0 ? String.format("%.2f%%", percent) : String.format("%.0e%%", percent);
    }
}
