package example;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.springframework.ai.chat.memory.ChatMemory;
import org.springframework.ai.chat.memory.MessageWindowChatMemory;
import org.springframework.ai.document.Document;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.ai.vectorstore.SimpleVectorStore;
import org.springframework.ai.vectorstore.VectorStore;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.ApplicationArguments;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;

/** The desk of a library: it answers its arguments, or else the lines of the standard input, from a folder of text files. */
@SpringBootApplication
public class Application {
    /** The last messages of each conversation. */
    @Bean
    ChatMemory memory(@Value("${desk.remembered-messages}") int messages) {
        return MessageWindowChatMemory.builder().maxMessages(messages).build();
    }

    /** The paragraphs of all files, found by their vectors. */
    @Bean
    VectorStore passages(EmbeddingModel embedding, @Value("${desk.folder}") String folder) throws IOException {
        List<Document> passages = new ArrayList<>();
        try (Stream<Path> files = Files.list(Path.of(folder))) {
            for (Path file : files.filter(each -> each.toString().endsWith(".txt")).sorted().toList()) {
                String name = file.getFileName().toString();
                String[] paragraphs = Files.readString(file).strip().split("\\R\\s*\\R");
                for (int i = 0; i < paragraphs.length; i++) {
                    passages.add(new Document(name + " " + (i + 1), paragraphs[i], Map.of("file", name)));
                }
            }
        }
        VectorStore store = SimpleVectorStore.builder(embedding).build();
        store.add(passages);
        return store;
    }

    public static void main(String[] args) {
        try (ConfigurableApplicationContext context = SpringApplication.run(Application.class, args)) {
            Desk desk = context.getBean(Desk.class);
            List<String> given = context.getBean(ApplicationArguments.class).getNonOptionArgs();
            Stream<String> questions =
                    given.isEmpty() ? Stream.generate(IO::readln).takeWhile(Objects::nonNull) : given.stream();
            questions.forEach(question -> IO.println(desk.reply("a reader", question)));
        }
    }
}
