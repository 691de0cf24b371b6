package dev.causal4j.server;

import dev.causal4j.FormatException;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.json.Json;
import dev.causal4j.tensor.Device;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/** The models of a server by their names. The first answers requests that name none. Thread-safe. */
final class Models implements AutoCloseable {
    /** A model and what answers for it. */
    record Model(Engine engine, ServedModel served, Metrics metrics, Discovery discovery) {}

    private final SequencedMap<String, Model> byName = new LinkedHashMap<>();

    /** Each once. */
    final List<Model> all = new ArrayList<>();

    /**
     * Opens an engine for each model.
     *
     * @param formats by name; equal ones are names of one model
     * @throws dev.causal4j.MemoryLimitException unless all keys and values of several models fit
     */
    Models(SequencedMap<String, Chat.Format> formats, ServerOptions options) {
        SequencedMap<Chat.Format, List<String>> names = new LinkedHashMap<>();
        formats.forEach((name, format) ->
                names.computeIfAbsent(format, _ -> new ArrayList<>()).add(name));
        names.firstEntry().getValue().addAll(options.aliases());
        if (names.size() > 1) {
            Device.check(names.keySet().stream()
                    .map(format -> format.model().decoder().pool())
                    .map(pool -> pool.freePages() * pool.pageBytes())
                    .toList());
        }
        try {
            names.forEach((format, own) -> open(format, own, names.size() > 1, options));
        } catch (Throwable e) {
            close();
            throw e;
        }
    }

    private void open(Chat.Format format, List<String> names, boolean several, ServerOptions options) {
        Engine engine = new Engine(
                format.model(),
                EngineOptions.DEFAULT
                        .withParallel(options.parallel())
                        .withQueue(Limits.SEQUENCES + options.queue())
                        .withPrefixBytes(options.cacheBytes())
                        .withDraft(options.draft())
                        .withPrefixStore(options.store()));
        try {
            Metrics metrics = new Metrics(engine, several ? names.getFirst() : "");
            ServedModel served = ServedModel.of(engine, format, names.getFirst(), options);
            Discovery discovery = new Discovery(served, options.parallel(), several);
            all.add(new Model(engine, served, metrics, discovery));
        } catch (Throwable e) {
            engine.close();
            throw e;
        }
        for (String name : names) {
            Model other = byName.putIfAbsent(name, all.getLast());
            if (other != null && !other.equals(all.getLast())) {
                throw new IllegalArgumentException(
                        "alias: expected a name of one model, got " + FormatException.quote(name) + " for two");
            }
        }
    }

    /** Whether there are several. */
    boolean areSeveral() {
        return all.size() > 1;
    }

    Model first() {
        return all.getFirst();
    }

    /** @throws ApiError if there is no such model */
    Model named(String name) {
        Model found = byName.get(name);
        if (found == null) {
            throw ApiError.noModel(name, List.copyOf(byName.keySet()));
        }
        return found;
    }

    /** The model that a body names. */
    Model of(JsonIn in) {
        return in.string("model")
                .filter(name -> !name.isEmpty())
                .map(this::named)
                .orElse(first());
    }

    /** The model that a query names. */
    Model of(Call call) {
        List<Model> named = call.exchange.getQueryParameters().getOrDefault("model", new ArrayDeque<>()).stream()
                .filter(name -> !name.isEmpty())
                .map(this::named)
                .toList();
        return named.isEmpty() ? first() : named.getFirst();
    }

    /** The model that a path names. */
    Model ofPath(Call call) {
        String raw = call.exchange.getRequestURI(); // the path has %2F as it is, and others decoded
        String name = raw.substring(raw.indexOf(Routes.MODELS) + Routes.MODELS.length())
                .replace("+", "%2B");
        return named(URLDecoder.decode(name, StandardCharsets.UTF_8));
    }

    /** The entries of all, as a list. */
    Map<String, Object> list() {
        Object data = Choices.each(all, each -> each.discovery().entry());
        Map<String, Object> list = Json.object("object", "list", "data", data, "has_more", false);
        String last = all.getLast().served().name();
        list.putAll(Json.object("first_id", first().served().name(), "last_id", last));
        return list;
    }

    @Override
    public void close() {
        all.forEach(each -> each.engine.close());
    }
}
