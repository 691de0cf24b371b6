package dev.causal4j.cli;

import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.StreamingDecoder;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The text of tokens. */
final class Pieces {
    private static final HexFormat HEX = HexFormat.ofDelimiter(" ").withUpperCase();

    private final Optional<Tokenizer> tokenizer;

    Pieces(CausalLM model) {
        tokenizer = model.tokenizer();
    }

    boolean known() {
        return tokenizer.isPresent();
    }

    private boolean known(int token) {
        return tokenizer.isPresent() && token < tokenizer.get().vocabularySize();
    }

    /**
     * The text that each token of a sequence completes; together they are the sequence's text. Empty for a token that
     * ends inside a character.
     */
    List<String> of(int[] tokens) {
        List<String> pieces = new ArrayList<>(tokens.length);
        if (tokenizer.isEmpty()) {
            return pieces;
        }
        StreamingDecoder decoder = tokenizer.get().decoder();
        for (int i = 0; i < tokens.length; i++) {
            String piece = known(tokens[i]) ? decoder.accept(tokens[i]) : decoder.finish();
            pieces.add(i == tokens.length - 1 ? piece + decoder.finish() : piece);
        }
        return pieces;
    }

    /** The text of a token on its own, where part of a character is U+FFFD. */
    String of(int token) {
        return known(token) ? tokenizer.orElseThrow().decode(token) : "";
    }

    /** A token with an empty piece: its bytes, or its id. */
    String bytes(int token) {
        return known(token) ? HEX.formatHex(tokenizer.orElseThrow().bytes(token)) : "#" + token;
    }

    /** A token in context, on one line: its piece in quotes, or its bytes. */
    String shown(int token, String piece) {
        return piece.isEmpty() ? "<" + bytes(token) + ">" : Visible.quoted(piece);
    }

    /** A token on its own, on one line. */
    String shown(int token) {
        String piece = of(token);
        return shown(token, piece.indexOf('\ufffd') >= 0 ? "" : piece);
    }

    /** A probability in few characters. */
    static String percent(double probability) {
        double percent = 100 * probability;
        return percent >= 0.01 || percent == 0
                ? String.format(Locale.ROOT, "%.2f%%", percent)
                : String.format(Locale.ROOT, "%.0e%%", percent);
    }
}
