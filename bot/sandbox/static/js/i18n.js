// The page's own words in Russian and English; the bot's words are the bot's business.
const TEXTS = {
  en: {
    chats: "Chats", language: "Language", you_are: "You are", back_to_chats: "Back to chats", topic: "Topic",
    sandbox: "Sandbox", messages: "Messages", to_end: "To the last message", cancel: "Cancel", as_file: "Send as a file, not compressed",
    commands: "Commands", write: "Message", attach: "Attach", send: "Send", unblock: "Unblock the bot", start: "Start", close: "Close",
    drop: "Drop to attach", bot: "bot", members: ["member", "members"], blocked: "you blocked the bot", online: "bot · sandbox",
    edited: "edited", photo: "Photo", video: "Video", file: "File", album: "Album", sticker: "Sticker", voice: "Voice message", animation: "Animation", live_photo: "Live photo",
    other: "Message", reply: "Reply", edit: "Edit", delete: "Delete", copy: "Copy text", copied: "Copied", more: "Actions with the message",
    replying: "Reply to {0}", editing: "Editing", forwarded: "Forwarded from {0}", via: "via @{0}", you: "You", today: "Today", yesterday: "Yesterday",
    thinking: "Thinking…", stop: "Stop", no_answer: "The bot did not answer the press", play: "Play", open_photo: "Open the photo", download: "Download {0}",
    pick_photo: "Photo", pick_file: "File", remove: "Remove {0}", nothing_yet: "Write something: it goes to the bot on this machine.",
    connection_lost: "The sandbox is not running. Start it again; this page comes back by itself.", connection_back: "The sandbox is back.",
    migrated: "The group became a supergroup", no_results: "Nothing found", link_soon: "This button belongs to a real client.",
    reveal: "Show", b: "B", kb: "KB", mb: "MB", too_many: "Ten files at most",
    actions: { typing: "typing", upload_photo: "sending a photo", record_video: "recording a video", upload_video: "sending a video", upload_document: "sending a file", record_voice: "recording a voice message", upload_voice: "sending a voice message", choose_sticker: "choosing a sticker", find_location: "finding a place", record_video_note: "recording a video message", upload_video_note: "sending a video message" },
    panel: {
      note: "Nothing here is real money. The bot is the real program; Telegram and the video service are small servers on this machine. Videos are drawn by the sandbox, and no network is needed.",
      generation: "Video service", delay: "A video takes", seconds: "{0} s", mode: "How it behaves",
      modes: { well: ["Works", ""], refuses: ["Refuses", "as sensitive content"], fails: ["Fails", "accepts, then gives up"], hangs: ["Hangs", "never finishes until you change this"], overloaded: ["Overloaded", "asks to come back later"], "no balance": ["Out of money", "the operator's balance is empty"] },
      spent: "Spent in play money", balance: "{0} ₽ for {1}, {2} ₽ left", videos: ["video", "videos"], no_provider: "The video service is not here.",
      telegram: "Telegram", flood: "Too many requests (429)", flood_hint: "All sending is put off by 3 s again and again, until you switch this off.",
      block: "Block the bot", block_hint: "As a person who has had enough of it.", people: "People and groups", add_person: "Add a person", add_group: "Make a group", name: "Name", add: "Add", group_name: "Name of the group", topics: "with topics",
      terminal: "Terminal", start_link: "The bot has no admin yet, so its terminal shows a link:", open_link: "Open the link",
      rights: "This group and the bot", no_videos: "No videos", no_videos_hint: "Text is allowed, videos are not.", no_messages: "No messages", no_messages_hint: "Members may send nothing, and the bot is a member.", slow_mode: "Slow mode", slow_mode_hint: "One message in 30 s.",
      close_topics: "Close the topics", close_topics_hint: "Only admins write in them.", remove_bot: "Remove the bot", remove_bot_hint: "It can no longer write here.",
      calls: "What the bot asked Telegram", everything_well: "Everything works again",
    },
  },
  ru: {
    chats: "Чаты", language: "Язык", you_are: "Вы —", back_to_chats: "К списку чатов", topic: "Тема",
    sandbox: "Песочница", messages: "Сообщения", to_end: "К последнему сообщению", cancel: "Отменить", as_file: "Отправить файлом, без сжатия",
    commands: "Команды", write: "Сообщение", attach: "Прикрепить", send: "Отправить", unblock: "Разблокировать бота", start: "Начать", close: "Закрыть",
    drop: "Отпустите, чтобы прикрепить", bot: "бот", members: ["участник", "участника", "участников"], blocked: "вы заблокировали бота", online: "бот · песочница",
    edited: "изменено", photo: "Фото", video: "Видео", file: "Файл", album: "Альбом", sticker: "Стикер", voice: "Голосовое сообщение", animation: "Анимация", live_photo: "Живое фото",
    other: "Сообщение", reply: "Ответить", edit: "Изменить", delete: "Удалить", copy: "Копировать текст", copied: "Скопировано", more: "Действия с сообщением",
    replying: "В ответ {0}", editing: "Изменение", forwarded: "Переслано от {0}", via: "через @{0}", you: "Вы", today: "Сегодня", yesterday: "Вчера",
    thinking: "Думаю…", stop: "Стоп", no_answer: "Бот не ответил на нажатие", play: "Смотреть", open_photo: "Открыть фото", download: "Скачать {0}",
    pick_photo: "Фото", pick_file: "Файл", remove: "Убрать {0}", nothing_yet: "Напишите что-нибудь: это увидит бот на этом компьютере.",
    connection_lost: "Песочница не запущена. Запустите её снова, страница подключится сама.", connection_back: "Песочница снова на связи.",
    migrated: "Группа стала супергруппой", no_results: "Ничего не нашлось", link_soon: "Эта кнопка работает только в настоящем приложении.",
    reveal: "Показать", b: "Б", kb: "КБ", mb: "МБ", too_many: "Не больше десяти файлов",
    actions: { typing: "печатает", upload_photo: "отправляет фото", record_video: "записывает видео", upload_video: "отправляет видео", upload_document: "отправляет файл", record_voice: "записывает голосовое", upload_voice: "отправляет голосовое", choose_sticker: "выбирает стикер", find_location: "ищет место", record_video_note: "записывает видеосообщение", upload_video_note: "отправляет видеосообщение" },
    panel: {
      note: "Здесь нет настоящих денег. Бот — та самая программа; Телеграм и видеосервис заменяют маленькие серверы на этом компьютере. Видео рисует песочница, сеть не нужна.",
      generation: "Видеосервис", delay: "Видео готовится", seconds: "{0} с", mode: "Как он себя ведёт",
      modes: { well: ["Работает", ""], refuses: ["Отказывает", "недопустимое содержание"], fails: ["Не справляется", "берёт заказ и сдаётся"], hangs: ["Зависает", "не закончит, пока вы не переключите"], overloaded: ["Перегружен", "просит зайти позже"], "no balance": ["Нет денег", "у владельца пустой счёт"] },
      spent: "Истрачено игрушечных денег", balance: "{0} ₽ за {1}, осталось {2} ₽", videos: ["видео", "видео", "видео"], no_provider: "Видеосервиса здесь нет.",
      telegram: "Телеграм", flood: "Слишком много запросов (429)", flood_hint: "Любая отправка снова и снова откладывается на 3 с, пока вы это не выключите.",
      block: "Заблокировать бота", block_hint: "Как человек, которому он надоел.", people: "Люди и группы", add_person: "Добавить человека", add_group: "Создать группу", name: "Имя", add: "Добавить", group_name: "Название группы", topics: "с темами",
      terminal: "Терминал", start_link: "У бота ещё нет администратора, поэтому в терминале есть ссылка:", open_link: "Открыть ссылку",
      rights: "Эта группа и бот", no_videos: "Без видео", no_videos_hint: "Текст разрешён, видео нет.", no_messages: "Без сообщений", no_messages_hint: "Участникам писать нельзя, а бот — участник.", slow_mode: "Медленный режим", slow_mode_hint: "Одно сообщение в 30 с.",
      close_topics: "Закрыть темы", close_topics_hint: "В них пишут только админы.", remove_bot: "Удалить бота из группы", remove_bot_hint: "Он больше не может здесь писать.",
      calls: "О чём бот просил Телеграм", everything_well: "Всё снова работает",
    },
  },
};

let language = "en";

/** Two letters; every language but Russian gets English. */
export function setLanguage(code) {
  language = (code || "").startsWith("ru") ? "ru" : "en";
  document.documentElement.lang = language;
  document.title = t("sandbox");
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
  for (const node of document.querySelectorAll("[data-t-placeholder]")) node.placeholder = t(node.dataset.tPlaceholder);
}

export const locale = () => language;

/** A text by its key ("panel.note"), with {0}, {1} filled in. */
export function t(key, ...values) {
  const found = key.split(".").reduce((place, part) => place?.[part], TEXTS[language]) ?? key;
  return typeof found === "string" ? found.replace(/\{(\d)\}/g, (_, n) => values[n]) : found;
}

/** "3 members", by the language's plural rules. */
export function plural(key, number) {
  const forms = t(key);
  const index = language === "en" ? { one: 0, other: 1 } : { one: 0, few: 1, many: 2, other: 2 };
  return `${number} ${forms[index[new Intl.PluralRules(language).select(number)] ?? forms.length - 1]}`;
}

export const time = (seconds) => new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(seconds * 1000);

export function day(seconds) {
  const date = new Date(seconds * 1000), today = new Date();
  const days = Math.round((today.setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 864e5);
  if (days === 0) return t("today");
  if (days === 1) return t("yesterday");
  return new Intl.DateTimeFormat(language, { day: "numeric", month: "long" }).format(date);
}

export function bytes(size) {
  if (size < 1024) return `${size} ${t("b")}`;
  const [value, unit] = size < 1 << 20 ? [size / 1024, "kb"] : [size / (1 << 20), "mb"];
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(value)} ${t(unit)}`;
}

export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
