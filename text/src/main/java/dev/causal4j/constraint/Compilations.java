package dev.causal4j.constraint;

import dev.causal4j.tokenizer.Vocabulary;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.WeakHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/** The constraints that were compiled for one vocabulary, the latest used of them. Thread-safe. */
final class Compilations {
    private static final int MOST = 64;
    private static final int LARGE = 8; // parts of what may be kept: a larger one is compiled for its user alone
    private static final Map<Vocabulary, Compilations> ALL = Collections.synchronizedMap(new WeakHashMap<>());

    private final Map<Object, FutureTask<Compiled>> byKey = new LinkedHashMap<>(16, 0.75f, true);
    private @Nullable Lexicon lexicon; // does not refer to the vocabulary, so that this can be collected

    static Compilations of(Vocabulary vocabulary) {
        return ALL.computeIfAbsent(vocabulary, unused -> new Compilations());
    }

    /**
     * Compiles a constraint, if there is none of its key. Two threads do so once.
     *
     * @throws ConstraintException if it cannot be held
     */
    Compiled get(Object key, GrammarSource source, Vocabulary vocabulary) {
        FutureTask<Compiled> task;
        synchronized (this) {
            Lexicon tokens = lexicon == null ? new Lexicon(vocabulary) : lexicon;
            lexicon = tokens;
            task = byKey.computeIfAbsent(
                    key, unused -> new FutureTask<>(() -> new Compiled(source, vocabulary, tokens, key)));
        }
        task.run(); // does nothing the second time
        try {
            Compiled compiled = task.get();
            evict(key, task);
            return compiled;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("constraint: expected to be compiled, got an interrupt", e);
        } catch (ExecutionException e) {
            synchronized (this) {
                byKey.remove(key, task);
            }
            throw failure(e.getCause());
        }
    }

    /** The compiled constraint of a key, or null. */
    synchronized @Nullable Compiled known(Object key) {
        FutureTask<Compiled> task = byKey.get(key);
        return task != null && task.state() == FutureTask.State.SUCCESS ? task.resultNow() : null;
    }

    static RuntimeException failure(@Nullable Throwable cause) {
        return switch (cause) {
            case ConstraintException refusal -> refusal;
            case StackOverflowError unused ->
                new ConstraintException("constraint", "one of less depth", "too much of it", "make it smaller");
            case null, default -> new IllegalStateException(cause);
        };
    }

    private synchronized void evict(Object latest, FutureTask<Compiled> task) {
        if (bytes(task) > Limits.KEPT_BYTES / LARGE) {
            byKey.remove(latest, task);
        }
        long most = Limits.KEPT_BYTES / Math.max(1, ALL.size());
        long bytes = byKey.values().stream().mapToLong(Compilations::bytes).sum();
        var eldest = byKey.values().iterator();
        while (byKey.size() > 1 && (byKey.size() > MOST || bytes > most)) {
            bytes -= bytes(eldest.next());
            eldest.remove();
        }
    }

    private static long bytes(FutureTask<Compiled> task) {
        return task.state() == FutureTask.State.SUCCESS ? task.resultNow().bytes() : 0;
    }
}
