package dev.causal4j.cli;

import dev.causal4j.hub.Pulled;
import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Fetches a model from the hub. */
@Command(
        name = "pull",
        description =
                "Fetches a model from the Hugging Face hub into the cache that Python uses, too; --model org/name then"
                        + " finds it. An interrupted pull resumes.")
final class PullCommand extends Subcommand {
    @Mixin
    private HubOptions hub;

    @Override
    public Integer call() throws IOException, InterruptedException {
        long start = System.nanoTime();
        Pulled pulled = hub.pull();
        double seconds = (System.nanoTime() - start) / 1e9;
        Document document = new Document()
                .put("model", pulled.name().repository())
                .put("revision", pulled.commit())
                .put("path", pulled.path())
                .put("files", pulled.files())
                .put("bytes", pulled.bytes())
                .put("fetched_bytes", pulled.fetchedBytes())
                .put("seconds", seconds);
        String told = "%s: %d files, %,d bytes, %,d of them fetched in %.1f seconds";
        print(
                document,
                told.formatted(pulled.path(), pulled.files().size(), pulled.bytes(), pulled.fetchedBytes(), seconds));
        return 0;
    }
}
