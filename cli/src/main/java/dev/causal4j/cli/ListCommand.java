package dev.causal4j.cli;

import dev.causal4j.hub.Hub;
import dev.causal4j.hub.Pulled;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;

/** Lists what was pulled. */
@Command(name = "list", description = "Lists the models in the Hugging Face cache, which Python uses, too.")
final class ListCommand extends Subcommand {
    @Override
    public Integer call() throws IOException {
        Hub hub = Hub.fromEnvironment();
        List<Pulled> models = hub.list();
        List<Document> all = new ArrayList<>();
        StringBuilder table = new StringBuilder();
        if (!models.isEmpty()) {
            table.append(String.format("%10s  %5s  %-10s  %s%n", "MB", "files", "pulled", "model"));
        }
        for (Pulled model : models) {
            Instant pulled = Files.getLastModifiedTime(model.path()).toInstant();
            all.add(new Document()
                    .put("model", model.name().toString())
                    .put("revision", model.commit())
                    .put("path", model.path())
                    .put("bytes", model.bytes())
                    .put("pulled", pulled.toString())
                    .put("files", model.files()));
            LocalDate day = pulled.atZone(ZoneId.systemDefault()).toLocalDate();
            int files = model.files().size();
            table.append(String.format("%,10.1f  %5d  %s  %s%n", model.bytes() / 1e6, files, day, model.name()));
        }
        Document document = new Document().put("cache", hub.cache()).put("models", all);
        String next = models.isEmpty() ? "; " + Main.NAME + " run org/name fetches one and chats with it" : "";
        print(document, table + String.format("%d in %s%s", models.size(), hub.cache(), next));
        return 0;
    }
}
