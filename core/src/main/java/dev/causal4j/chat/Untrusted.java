package dev.causal4j.chat;

import dev.causal4j.chat.ChatTemplate.Rendered;
import dev.causal4j.chat.ChatTemplate.Span;
import dev.causal4j.format.Json;
import java.math.BigInteger;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Copies values of callers, so that nothing but JSON's values reaches a template, and hides control tokens in them.
 * While the template runs, random digits stand for the tokens: no text can contain them, and filters leave them alone.
 */
final class Untrusted {
    private static final int MAX_DEPTH = 100;
    private static final int FIRST = 10_000;

    private final List<String> tokens;
    private final String key = "" + new SecureRandom().nextLong(Long.MAX_VALUE / 10, Long.MAX_VALUE);

    Untrusted(Collection<String> controlTokens) {
        Comparator<String> longest = Comparator.comparingInt(String::length).reversed();
        tokens = controlTokens.stream()
                .filter(token -> !token.isEmpty())
                .sorted(longest)
                .toList();
    }

    /** The value as templates have it. */
    Object copy(@Nullable Object value, int depth) {
        return switch (value) {
            case null -> Values.NONE;
            case Object _ when depth > MAX_DEPTH -> throw wrong(value);
            case String text -> hidden(text);
            case Boolean flag -> flag;
            case BigInteger whole -> Numbers.whole(whole);
            case Long whole -> whole;
            case Integer whole -> whole.longValue();
            case Number real -> real.doubleValue();
            case List<?> list ->
                list.stream().map(item -> copy(item, depth + 1)).toList();
            case Map<?, ?> map -> {
                Map<Object, Object> copy = new LinkedHashMap<>();
                map.forEach((name, item) -> copy.put(hidden(String.valueOf(name)), copy(item, depth + 1)));
                yield copy;
            }
            case Object none when none.equals(Values.NONE) -> none;
            default -> throw wrong(value);
        };
    }

    private static IllegalArgumentException wrong(Object value) {
        return new IllegalArgumentException(
                "message: expected strings, booleans, numbers, null, lists and maps, at most " + MAX_DEPTH
                        + " deep, got " + Json.describe(value));
    }

    private String hidden(String text) {
        String hidden = text;
        for (int i = 0; i < tokens.size(); i++) {
            hidden = hidden.replace(tokens.get(i), key + (FIRST + i));
        }
        return hidden;
    }

    /** The text with the control tokens back in their places. */
    Rendered restored(String text, List<Span> generated) {
        StringBuilder restored = new StringBuilder();
        List<Span> untrusted = new ArrayList<>();
        TreeMap<Integer, Integer> shifts = new TreeMap<>(Map.of(0, 0)); // from here on, places move by so much
        Matcher hidden = Pattern.compile(key + "([0-9]{5})").matcher(text);
        while (hidden.find()) {
            hidden.appendReplacement(restored, "");
            int from = restored.length();
            restored.append(tokens.get(Integer.parseInt(hidden.group(1)) - FIRST));
            untrusted.add(new Span(from, restored.length()));
            shifts.put(hidden.end(), restored.length() - hidden.end());
        }
        List<Span> moved = generated.stream()
                .map(span -> new Span(
                        span.from() + shifts.floorEntry(span.from()).getValue(),
                        span.to() + shifts.floorEntry(span.to()).getValue()))
                .toList();
        return new Rendered(hidden.appendTail(restored).toString(), List.copyOf(untrusted), moved);
    }
}
