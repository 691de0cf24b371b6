package dev.causal4j.cli;

import dev.causal4j.generation.PrefixStore;
import dev.causal4j.generation.PrefixStore.Entry;
import dev.causal4j.generation.PrefixStore.Verification;
import dev.causal4j.model.CausalLM;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Looks after the folder of a prefix store. */
@Command(
        name = "snapshot",
        description = "Looks after the folder of --prefix-store: lists it, computes it again, or makes it smaller.")
final class SnapshotCommand extends Subcommand {
    private enum Action {
        LIST,
        VERIFY,
        PRUNE
    }

    @Parameters(
            index = "0",
            paramLabel = "ACTION",
            description = "list; verify, which computes pages again and compares their bits; or prune.")
    private Action action = Action.LIST;

    @Parameters(index = "1", paramLabel = "DIR", description = "The folder.")
    private Path folder = Path.of("");

    @Option(names = "--sample", paramLabel = "N", description = "Verify N files and those before them; default: all.")
    private int sample;

    @Option(names = "--size", paramLabel = "GB", description = "Prune to at most this; default: 10.")
    private double gigabytes = PrefixStore.DEFAULT_BYTES / 1e9;

    @Mixin
    private RunOptions model;

    @Mixin
    private AdapterOption adapter;

    @Override
    public Integer call() throws IOException {
        refuse(sample < 0, "sample: expected at least 1 file, got " + sample);
        refuse(!(gigabytes >= 0), "size: expected at least 0 GB, got " + gigabytes);
        if (!Files.exists(folder)) {
            throw new NoSuchFileException(folder.toString());
        }
        PrefixStore store = PrefixStore.open(folder, PrefixStore.DEFAULT_BYTES);
        return switch (action) {
            case LIST -> list(store);
            case VERIFY -> verify(store);
            case PRUNE -> {
                int deleted = store.prune((long) (gigabytes * 1e9));
                print(new Document().put("deleted", deleted), deleted + " files deleted");
                yield 0;
            }
        };
    }

    private int list(PrefixStore store) throws IOException {
        List<Entry> all = store.list();
        List<Document> files = all.stream()
                .map(each -> new Document()
                        .put("file", each.file())
                        .put("model", each.model())
                        .put("kind", each.isState() ? "state" : "page")
                        .put("tokens", each.tokens())
                        .put("bytes", each.bytes())
                        .put("used", each.used().toString()))
                .toList();
        long models = all.stream().map(Entry::model).distinct().count();
        double megabytes = all.stream().mapToLong(Entry::bytes).sum() / 1e6;
        print(
                new Document().put("files", files),
                String.format("%d files, %,.1f MB, %d models in %s", all.size(), megabytes, models, folder));
        return 0;
    }

    private int verify(PrefixStore store) throws IOException {
        CausalLM loaded = adapter.addTo(model.open().load(model.options().withDigests(true)));
        Verification made = store.verify(loaded, sample);
        made.wrong()
                .forEach(each ->
                        stderr().println(each + ": expected the bits that the model computes, got others; delete it"));
        Document document = new Document()
                .put("verified", made.verified())
                .put("wrong", made.wrong())
                .put("others", made.others());
        print(
                document,
                String.format(
                        "%d files verified, %d wrong, %d of other models",
                        made.verified(), made.wrong().size(), made.others()));
        return made.wrong().isEmpty() ? 0 : 1;
    }
}
