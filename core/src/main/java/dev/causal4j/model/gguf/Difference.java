package dev.causal4j.model.gguf;

import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The first difference of two configurations.
 *
 * @param path the path to the value, such as {@code blocks[0].mixer.window}
 */
record Difference(String path, String one, String other) {
    /** Numbers with at most this relative difference count as equal: files have them in f32. */
    static final double ROUNDING = 1e-6;

    /** @param path the path to the values: records, lists, numbers and others */
    static Optional<Difference> of(String path, @Nullable Object one, @Nullable Object other) {
        if (one instanceof Record && other instanceof Record && one.getClass() == other.getClass()) {
            String prefix = path.isEmpty() ? "" : path + ".";
            return Arrays.stream(one.getClass().getRecordComponents())
                    .flatMap(each -> of(prefix + each.getName(), value(each, one), value(each, other)).stream())
                    .findFirst();
        }
        if (one instanceof List<?> list && other instanceof List<?> others && list.size() == others.size()) {
            return IntStream.range(0, list.size())
                    .boxed()
                    .flatMap(i -> of(path + "[" + i + "]", list.get(i), others.get(i)).stream())
                    .findFirst();
        }
        return same(one, other)
                ? Optional.empty()
                : Optional.of(new Difference(path, String.valueOf(one), String.valueOf(other)));
    }

    private static boolean same(@Nullable Object one, @Nullable Object other) {
        if (one instanceof Number a && other instanceof Number b && !(one instanceof Integer)) {
            double most = ROUNDING * Math.abs(b.doubleValue());
            boolean near = most < Double.POSITIVE_INFINITY && Math.abs(a.doubleValue() - b.doubleValue()) <= most;
            return a.equals(b) || near;
        }
        return Objects.equals(one, other);
    }

    private static @Nullable Object value(RecordComponent component, Object of) {
        try {
            return component.getAccessor().invoke(of);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(e.getMessage(), e); // accessors are public, like the records
        }
    }
}
