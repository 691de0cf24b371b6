package dev.causal4j.chat;

import dev.causal4j.TemplateException;
import dev.causal4j.chat.ChatTemplate.Rendered;
import dev.causal4j.chat.ChatTemplate.Span;
import dev.causal4j.json.Json;
import java.math.BigInteger;
import java.nio.CharBuffer;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Copies values of callers, so that nothing but JSON's values reaches a template, and hides control tokens in them.
 * While the template runs, random digits stand for the tokens: no text can contain them, and filters leave them alone.
 * Such digits also mark what the assistant wrote. For one rendering; not thread-safe.
 */
final class Untrusted {
    private static final int MAX_DEPTH = 100;

    /** Control tokens in all values: each becomes 24 characters, which are made before a rendering can count them. */
    private static final int MAX_HIDDEN = 100_000;

    /** Characters of a text with control tokens: a template can repeat one of thousands of characters as 24 digits. */
    private static final int MAX_RESTORED = 16_000_000;

    private final List<String> tokens; // sorted
    private final int[] shorter; // for each the longest other that it begins with, or -1
    private final BitSet firsts = new BitSet(); // their first characters
    // Five digits follow the key: the number of a token, or the beginning or end of a generation block.
    private final String key = "" + new SecureRandom().nextLong(Long.MAX_VALUE / 10, Long.MAX_VALUE);

    /** The marks of the beginning and end of a generation block in a rendering. */
    final String begin = key + "99998";

    final String end = key + "99999";

    private int found; // control tokens

    Untrusted(Collection<String> controlTokens) {
        tokens = controlTokens.stream()
                .filter(token -> !token.isEmpty())
                .sorted()
                .toList();
        tokens.forEach(token -> firsts.set(token.charAt(0)));
        shorter = new int[tokens.size()];
        for (int i = 0; i < shorter.length; i++) {
            shorter[i] = i - 1;
            while (shorter[i] >= 0 && !tokens.get(i).startsWith(tokens.get(shorter[i]))) {
                shorter[i] = shorter[shorter[i]];
            }
        }
    }

    /** A caller's value as a template's value. */
    Object copy(@Nullable Object value, int depth) {
        return switch (value) {
            case null -> Rendering.NONE;
            case Object none when none.equals(Rendering.NONE) -> none;
            case String text -> hidden(text);
            case Boolean flag -> flag;
            case Integer whole -> Operators.whole(BigInteger.valueOf(whole));
            case Long whole -> Operators.whole(BigInteger.valueOf(whole));
            case BigInteger whole -> Operators.whole(whole);
            case Number real -> real.doubleValue();
            case Message(Map<String, ?> fields) -> copy(fields, depth);
            case ToolDefinition(Map<String, ?> fields) -> copy(fields, depth);
            case List<?> list
            when depth <= MAX_DEPTH ->
                list.stream().map(item -> copy(item, depth + 1)).toList();
            case Map<?, ?> map
            when depth <= MAX_DEPTH -> {
                Map<Object, Object> copy = new LinkedHashMap<>();
                map.forEach((name, item) -> copy.put(hidden(String.valueOf(name)), copy(item, depth + 1)));
                yield copy;
            }
            default ->
                throw new IllegalArgumentException(
                        "message: expected strings, booleans, numbers, null, lists and maps, at most " + MAX_DEPTH
                                + " deep, got " + Json.describe(value));
        };
    }

    /** Replaces the leftmost tokens, of those the longest, as tokenizers find them. */
    private String hidden(String text) {
        StringBuilder hidden = new StringBuilder();
        int done = 0;
        for (int at = 0; at < text.length(); at++) {
            int token = firsts.get(text.charAt(at)) ? longest(CharBuffer.wrap(text, at, text.length())) : -1;
            if (token >= 0 && ++found > MAX_HIDDEN) {
                throw new IllegalArgumentException(
                        "message: expected at most " + MAX_HIDDEN + " control tokens, got more; leave them out");
            } else if (token >= 0) {
                hidden.append(text, done, at).append(key).append("%05d".formatted(token));
                done = at + tokens.get(token).length();
                at = done - 1;
            }
        }
        return hidden.append(text, done, text.length()).toString();
    }

    /** The longest token that a text begins with, found among thousands in a few steps; -1 if there is none. */
    private int longest(CharBuffer text) {
        int found = Collections.binarySearch(tokens, text, CharSequence::compare);
        int token = found >= 0 ? found : -found - 2; // it begins with all that the text begins with
        int same = token < 0 ? 0 : CharBuffer.wrap(tokens.get(token)).mismatch(text);
        while (token >= 0 && same >= 0 && same < tokens.get(token).length()) {
            token = shorter[token];
        }
        return token;
    }

    /**
     * The text with the control tokens back in their places.
     *
     * @param name the template's
     * @throws TemplateException if the template cuts the digits of one
     */
    Rendered restored(String name, String text) {
        StringBuilder restored = new StringBuilder();
        List<Span> untrusted = new ArrayList<>();
        List<Span> generated = new ArrayList<>();
        List<Integer> begins = new ArrayList<>();
        Matcher mark = Pattern.compile(key + "([0-9]{5})").matcher(text);
        while (mark.find()) {
            mark.appendReplacement(restored, "");
            int at = restored.length();
            int token = Integer.parseInt(mark.group(1));
            if (at > MAX_RESTORED) {
                String expected = "at most " + MAX_RESTORED + " characters with control tokens";
                throw new TemplateException(name, expected, "more", "do not repeat what contains them");
            }
            if (mark.group().equals(begin)) {
                begins.add(at);
            } else if (mark.group().equals(end) && !begins.isEmpty()) {
                generated.add(new Span(begins.removeLast(), at));
            } else if (token < tokens.size()) {
                restored.append(tokens.get(token));
                untrusted.add(new Span(at, restored.length()));
            } else {
                String expected = "control tokens in messages that stay whole";
                throw new TemplateException(name, expected, "a part of one", "do not cut what contains them");
            }
        }
        return new Rendered(mark.appendTail(restored).toString(), List.copyOf(untrusted), List.copyOf(generated));
    }
}
