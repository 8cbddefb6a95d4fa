//! The words that seeded events are made of.

pub(super) const MEETINGS: [&str; 14] = [
    "Review",
    "Workshop",
    "Kick-off",
    "Sync",
    "Interview",
    "Demo",
    "Retrospective",
    "Briefing",
    "Budget round",
    "Design session",
    "Customer call",
    "Hand-over",
    "Check-in",
    "Deep dive",
];

pub(super) const TOPICS: [&str; 20] = [
    "onboarding flow",
    "invoice export",
    "spring campaign",
    "data retention",
    "mobile app",
    "supplier contract",
    "office move",
    "search ranking",
    "billing errors",
    "team offsite",
    "support backlog",
    "partner portal",
    "price list",
    "website relaunch",
    "quarterly goals",
    "incident follow-up",
    "warehouse tour",
    "new hires",
    "accessibility",
    "roadmap",
];

pub(super) const PLACES: [&str; 10] = [
    "Room Alder",
    "Room Birch",
    "Room Cedar, 3rd floor",
    "Video call",
    "Café Nordlicht",
    "Harbour Street 12",
    "Building B, reception",
    "Auditorium",
    "Phone",
    "Room Elm",
];

pub(super) const PERSONAL: [&str; 14] = [
    "Dinner with the Osterlunds",
    "Dentist",
    "Parents' evening",
    "Choir rehearsal",
    "Running group",
    "Pick up the bike",
    "Cinema",
    "Call grandma",
    "Board games",
    "Physiotherapy",
    "Garden market",
    "Book club",
    "Swimming",
    "Haircut",
];

pub(super) const ALL_DAY: [&str; 10] = [
    "Company holiday",
    "Trade fair Leipzig",
    "On call",
    "Vacation",
    "Conference",
    "Release day",
    "Training",
    "Inventory",
    "Home office",
    "Visitors from Osaka",
];

pub(super) const PEOPLE: [&str; 12] = [
    "Mara Lind",
    "Tomas Okafor",
    "Yuki Arden",
    "Samir Velde",
    "Petra Quist",
    "Noel Farrow",
    "Ines Calder",
    "Bruno Haas",
    "Lea Winterbourne",
    "Omar Teague",
    "Dana Rovik",
    "Felix Amsel",
];
