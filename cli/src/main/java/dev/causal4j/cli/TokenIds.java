package dev.causal4j.cli;

import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.CommandSpec;

/** Parses token ids: numbers separated by commas or spaces. */
final class TokenIds {
    private TokenIds() {}

    static int[] parse(CommandSpec spec, String subject, String text) {
        if (text.isBlank()) {
            return new int[0];
        }
        String[] words = text.strip().split("\\s*,\\s*|\\s+", -1);
        int[] ids = new int[words.length];
        for (int i = 0; i < words.length; i++) {
            try {
                ids[i] = Integer.parseInt(words[i]);
            } catch (NumberFormatException _) {
                throw Usage.wrong(
                        spec, subject + ": expected token ids such as 1,2,3, got " + Visible.quoted(words[i]));
            }
        }
        return ids;
    }

    static Set<Integer> set(CommandSpec spec, String subject, String text) {
        return Arrays.stream(parse(spec, subject, text)).boxed().collect(Collectors.toUnmodifiableSet());
    }
}
