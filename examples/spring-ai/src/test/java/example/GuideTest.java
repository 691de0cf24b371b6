package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.causal4j.chat.ToolChoice;
import dev.causal4j.generation.Engine;
import dev.causal4j.springai.Causal4jChatOptions;
import dev.causal4j.springai.Causal4jDocumentRanker;
import java.time.LocalDate;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.client.advisor.vectorstore.QuestionAnswerAdvisor;
import org.springframework.ai.document.Document;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.ai.rag.Query;
import org.springframework.ai.rag.advisor.RetrievalAugmentationAdvisor;
import org.springframework.ai.rag.retrieval.search.VectorStoreDocumentRetriever;
import org.springframework.ai.tool.annotation.Tool;
import org.springframework.ai.vectorstore.SearchRequest;
import org.springframework.ai.vectorstore.SimpleVectorStore;
import org.springframework.ai.vectorstore.VectorStore;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.test.context.SpringBootTest;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.stereotype.Service;
import reactor.core.publisher.Flux;

/** The guide's classes, in one application. */
class GuideTest {
    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration
    static class App {}

    private static final ConfigurableApplicationContext CONTEXT = new SpringApplicationBuilder(
                    App.class,
                    Shown.Assistant.class,
                    Shown.Reviews.class,
                    Shown.Secretary.class,
                    Shown.Passages.class,
                    Shown.Library.class,
                    Shown.Ranking.class,
                    Shown.Narrator.class)
            .run(
                    "--spring.ai.causal4j.chat.model=austen",
                    "--spring.ai.causal4j.chat.seed=7",
                    "--spring.ai.causal4j.chat.max-tokens=100",
                    "--spring.ai.causal4j.embedding.model=austen");

    @AfterAll
    static void close() {
        CONTEXT.close();
    }

    interface Shown {
        // example: begin
        @Service
        class Assistant {
            private final ChatClient client;

            Assistant(ChatClient.Builder builder) {
                client = builder.build();
            }

            String answer(String question) {
                return client.prompt(question).call().content();
            }
        }
        // example: end

        // example: begin
        enum Mood {
            GLAD,
            ANGRY
        }

        record Review(Mood mood, boolean readAgain) {}

        @Service
        class Reviews {
            private final ChatClient client;

            Reviews(ChatClient.Builder builder) {
                client = builder.build();
            }

            Review read(String text) {
                return client.prompt("A reader says: " + text).call().entity(Review.class);
            }
        }
        // example: end

        // example: begin
        record Calendar(LocalDate today) {
            @Tool(description = "Today's date.")
            String date() {
                return today.toString();
            }
        }

        @Service
        class Secretary {
            private final ChatClient client;

            Secretary(ChatClient.Builder builder) {
                Calendar calendar = new Calendar(LocalDate.of(2026, 12, 1));
                client = builder.defaultTools(calendar).build();
            }

            String answer(String question) { // the model may call the tool
                return client.prompt(question).call().content();
            }

            String datedAnswer(String question) { // it must, once
                return client.prompt(question)
                        .options(Causal4jChatOptions.builder().toolChoice(ToolChoice.named("date")))
                        .call()
                        .content();
            }
        }
        // example: end

        // example: begin
        @Configuration(proxyBeanMethods = false)
        class Passages {
            @Bean
            VectorStore store(EmbeddingModel embedding) {
                VectorStore store = SimpleVectorStore.builder(embedding).build();
                store.add(List.of(
                        new Document("The library opens at nine in the morning."),
                        new Document("A book that comes back late costs a penny a day.")));
                return store;
            }
        }

        @Service
        class Library {
            private final ChatClient client;

            Library(ChatClient.Builder builder, VectorStore store) {
                client = builder.defaultAdvisors(QuestionAnswerAdvisor.builder(store)
                                .searchRequest(SearchRequest.builder().topK(1).build())
                                .build())
                        .build();
            }

            String answer(String question) {
                return client.prompt(question).call().content();
            }
        }
        // example: end

        // example: begin
        @Configuration(proxyBeanMethods = false)
        class Ranking {
            @Bean
            Causal4jDocumentRanker ranker(Engine engine) {
                return Causal4jDocumentRanker.builder().engine(engine).topN(3).build();
            }

            @Bean
            RetrievalAugmentationAdvisor retrieval(VectorStore store, Causal4jDocumentRanker ranker) {
                return RetrievalAugmentationAdvisor.builder()
                        .documentRetriever(VectorStoreDocumentRetriever.builder()
                                .vectorStore(store)
                                .topK(20)
                                .build())
                        .documentPostProcessors(ranker)
                        .build();
            }
        }
        // example: end

        // example: begin
        @Service
        class Narrator {
            private final ChatClient client;

            Narrator(ChatClient.Builder builder) {
                client = builder.build();
            }

            Flux<String> tell(String beginning) {
                return client.prompt(beginning).stream().content();
            }
        }
        // example: end

        // example: begin
        @SpringBootTest(properties = "spring.ai.causal4j.chat.seed=7")
        class AssistantTests {
            @Autowired
            private Assistant assistant;

            @Test
            void equalQuestionsHaveEqualAnswers() {
                String first = assistant.answer("Who is Emma?"); // or what it said last week
                Assertions.assertEquals(first, assistant.answer("Who is Emma?"));
            }
        }
        // example: end
    }

    @Test
    void answersAreEqual() {
        Shown.AssistantTests test = new Shown.AssistantTests();
        CONTEXT.getAutowireCapableBeanFactory().autowireBean(test);
        test.equalQuestionsHaveEqualAnswers();
    }

    @Test
    void aValueIsOfItsType() {
        assertNotNull(CONTEXT.getBean(Shown.Reviews.class)
                .read("What a charming book!")
                .mood());
    }

    @Test
    void aToolIsCalled() {
        Shown.Secretary secretary = CONTEXT.getBean(Shown.Secretary.class);
        assertNotEquals(secretary.answer("What day is it?"), secretary.datedAnswer("What day is it?"));
    }

    @Test
    void passagesAreAnsweredFrom() {
        String answer = CONTEXT.getBean(Shown.Library.class).answer("When does the library open?");
        assertNotEquals(CONTEXT.getBean(Shown.Assistant.class).answer("When does the library open?"), answer);
    }

    @Test
    void theBestPassageIsFirst() {
        List<Document> ranked = CONTEXT.getBean(Causal4jDocumentRanker.class)
                .process(
                        new Query("With whom did Mr. Bingley dance?"),
                        List.of(
                                new Document("The carriage was at the door, and the horses were tired."),
                                new Document("At the ball Mr. Bingley danced with Jane twice.")));
        assertTrue(ranked.getFirst().getText().startsWith("At the ball"), ranked::toString);
        assertNotNull(CONTEXT.getBean(RetrievalAugmentationAdvisor.class));
    }

    @Test
    void aStreamSaysTheAnswer() {
        Flux<String> told = CONTEXT.getBean(Shown.Narrator.class).tell("Emma was");
        List<String> pieces = told.collectList().block();
        assertTrue(pieces.size() > 5, pieces::toString);
        assertEquals(CONTEXT.getBean(Shown.Assistant.class).answer("Emma was"), String.join("", pieces));
    }
}
